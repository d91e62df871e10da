"""Ticks of real time, which do not drift."""

import time
from collections.abc import Callable


class Ticks:
    """The ends of ticks lie at whole periods after `start`, however long what happens between them takes.

    Args:
        period_s: of a tick.
        clock: tells the time in s.
        sleep: waits for so many s.
    """

    def __init__(
        self,
        period_s: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._period_s, self._clock, self._sleep = period_s, clock, sleep
        self._due_s = clock()

    def start(self) -> None:
        """Begins the first tick now."""
        self._due_s = self._clock()

    def wait(self) -> float:
        """Returns at the end of this tick, or at once where that is over, with how late that is, in s.

        Where whole ticks are over, they are left out: the next one is not shorter for them.
        """
        self._due_s += self._period_s
        while (left_s := self._due_s - self._clock()) > 0.0:
            self._sleep(left_s)
        self._due_s += -left_s // self._period_s * self._period_s
        return -left_s
