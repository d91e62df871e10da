"""Hears what LeRobot tells the people around a robot.

Before every episode LeRobot says "Recording episode 3", and trusts that a person has put everything back by then.
Nothing else tells a robot of it; but what is said is logged too, and a simulated robot can hear it there.
"""

import logging
import re
from collections.abc import Callable

EPISODE = re.compile(r"Recording episode (\d+)")


class Announcements(logging.Handler):
    """Calls somebody before every episode.

    Args:
        prepare: called with the number of the episode.
    """

    def __init__(self, prepare: Callable[[int], None]) -> None:
        super().__init__(logging.INFO)
        self._prepare = prepare

    def listen(self) -> None:
        logging.getLogger().addHandler(self)

    def stop(self) -> None:
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if said := EPISODE.fullmatch(record.getMessage()):
            self._prepare(int(said[1]))
