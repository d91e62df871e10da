"""One time for everything that is recorded: nanoseconds since 1970 that never fall while the recorder runs."""

import time

NS = 10**9
MS = 10**6
_START_NS = time.time_ns() - time.monotonic_ns()


def now_ns() -> int:
    """Returns the time; a clock that is set meanwhile does not move it."""
    return _START_NS + time.monotonic_ns()


class ServerClock:
    """Brings the X server's time (ms since some moment, in 32 bits) to ours, to about 1 ms.

    News from the server comes late by some time that is never negative; the fastest news so far tells how the clocks
    differ. So a stamp does not suffer when this process had to wait for a processor.
    """

    def __init__(self) -> None:
        self._last_ms = 0
        self._offset_ns: int | None = None

    def take(self, server_ms: int, received_ns: int) -> int:
        """Returns our time of a moment of the server's, which was told at ``received_ns``."""
        step = (server_ms - self._last_ms + 2**31) % 2**32 - 2**31  # the counter starts again after 49 days
        self._last_ms += step
        offset = received_ns - self._last_ms * MS
        self._offset_ns = offset if self._offset_ns is None else min(self._offset_ns, offset)
        return self._last_ms * MS + self._offset_ns
