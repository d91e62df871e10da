"""What an observer saw of something that it looks at again and again."""

from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from threading import Lock


@dataclass(frozen=True)
class Look[State]:
    """One look: the state was so at some moment between asking and answer (both in ns)."""

    asked_ns: int
    answered_ns: int
    state: State


class Timeline[State]:
    """Looks in the order of time, added by one thread and read by another."""

    def __init__(self) -> None:
        self._looks: deque[Look[State]] = deque()
        self._lock = Lock()

    def add(self, asked_ns: int, answered_ns: int, state: State) -> None:
        with self._lock:
            self._looks.append(Look(asked_ns, answered_ns, state))

    @property
    def known_ns(self) -> int:
        """Until when the state is known; 0 before the first look."""
        with self._lock:
            return self._looks[-1].asked_ns if self._looks else 0

    def between(self, start_ns: int, stop_ns: int) -> list[State]:
        """Returns every look that may tell what was so between two times.

        These are the last one answered before, the first one asked for after, and all between. A state that came
        and went between two looks is in none of them.
        """
        with self._lock:
            before = [look for look in self._looks if look.answered_ns <= start_ns][-1:]
            within = [look for look in self._looks if look.answered_ns > start_ns and look.asked_ns < stop_ns]
            after = [look for look in self._looks if look.asked_ns >= stop_ns][:1]
        return [look.state for look in (*before, *within, *after)]

    def forget(self, before_ns: int) -> None:
        """Drops what is not needed for times from ``before_ns`` on."""
        with self._lock:
            while any(second.answered_ns <= before_ns for _, second in list(pairwise(self._looks))[:1]):
                self._looks.popleft()
