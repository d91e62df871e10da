"""Stops and pauses a recorder from another terminal: a locked file beside the recording holds its process number."""

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from worldmodel.types import InputError

SIGNALS = {
    signal.SIGINT: "stop",
    signal.SIGTERM: "stop",
    signal.SIGHUP: "stop",
    signal.SIGUSR1: "pause",
}
COMMANDS = {"stop": signal.SIGTERM, "pause": signal.SIGUSR1}
FINISH_S = 60.0
LOOK_S = 0.05


@contextmanager
def commanded(lock: Path, take: Callable[[str], None]) -> Iterator[None]:
    """While it lasts, hands the commands of signals and of `send` to ``take``.

    Raises:
        InputError: another recorder holds the lock.
    """
    before = {
        number: signal.signal(number, lambda *_, command=command: take(command)) for number, command in SIGNALS.items()
    }
    try:
        with os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
            if not _locks(file.fileno()):
                raise InputError(f"{lock}: another recorder is writing there, wanted another output")
            file.truncate()
            file.write(str(os.getpid()))
            file.flush()
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def send(lock: Path, command: str) -> None:
    """Tells a recorder to ``stop``, and waits until it has, or to ``pause`` (and, if it pauses, to go on).

    Raises:
        InputError: no recorder holds the lock, or it does not stop.
    """
    number = _recorder(lock)
    if number is None:
        raise InputError(f"{lock.with_suffix('')}: no recorder is writing there, wanted the output of one that is")
    os.kill(number, COMMANDS[command])
    if command == "stop":
        end_s = time.monotonic() + FINISH_S
        while _recorder(lock) == number:
            if time.monotonic() > end_s:
                raise InputError(f"{lock.with_suffix('')}: process {number} does not stop within {FINISH_S:g} s")
            time.sleep(LOOK_S)


def _recorder(lock: Path) -> int | None:
    """Number of the process that holds the lock; one that was killed holds none."""
    with suppress(FileNotFoundError), lock.open("r+") as file:
        while not _locks(file.fileno()):
            file.seek(0)
            if text := file.read():
                return int(text)
            time.sleep(LOOK_S)
    return None


def _locks(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
