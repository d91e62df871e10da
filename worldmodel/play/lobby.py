"""Lets a limited number of sessions in and gives them turns at the one model."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from worldmodel.play.session import Session


class Lobby:
    """Who is playing, and the two threads that work for all of them.

    One thread computes: a session asks for one thing at a time, so that those who wait take turns. The other writes
    files, which takes seconds and must not stop the games.

    Args:
        open_session: makes a session.
        folder: for what is saved.
        limit: sessions at once.
        idle_s: seconds without a word after which a session is ended.

    Attributes:
        count: sessions that are open, or being opened.
    """

    def __init__(
        self, open_session: Callable[[], Session], folder: Path, *, limit: int = 4, idle_s: float = 600.0
    ) -> None:
        self.open_session, self.folder, self.limit, self.idle_s = open_session, folder, limit, idle_s
        self.count = 0
        self._compute = ThreadPoolExecutor(1, "play-compute")
        self._write = ThreadPoolExecutor(1, "play-write")

    @property
    def full(self) -> bool:
        return self.count >= self.limit

    async def enter(self) -> Session:
        """Opens a session; whoever enters must `leave`."""
        self.count += 1
        opening = self._compute.submit(self.open_session)
        try:
            return await asyncio.wrap_future(opening)
        except BaseException:
            # The visitor may be gone before the session is there.
            opening.add_done_callback(_close_opened)
            self.count -= 1
            raise

    def leave(self, session: Session) -> None:
        """Closes a session, after whatever it still has to compute; returns at once."""
        self.count -= 1
        self._compute.submit(session.close)

    async def compute[T](self, call: Callable[[], T]) -> T:
        """Runs something when it is its turn at the model."""
        return await asyncio.wrap_future(self._compute.submit(call))

    async def write[T](self, call: Callable[[], T]) -> T:
        """Runs something that writes files."""
        return await asyncio.wrap_future(self._write.submit(call))

    def close(self) -> None:
        """Waits for both threads to finish."""
        self._compute.shutdown()
        self._write.shutdown()


def _close_opened(opening) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
