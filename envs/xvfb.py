"""A virtual X screen, on which programs run until it is closed."""

import json
import os
import secrets
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from envs import screen_supervisor
from envs.priority import leave_real_time

START_S = 60.0  # a screen may take longer to start than to answer
END_S = 20.0
LONGEST_READ = 2**16
FAMILY_LOCAL = 256  # of X's authority files: a machine by its name
_ENVIRONMENT = threading.Lock()


class ScreenError(RuntimeError):
    """The screen does not start, hangs, or has crashed."""


class VirtualScreen:
    """An X server without a monitor; it ends with `close`, with this object, or with Python, and its programs with it.

    Only who has the secret may connect, see `permitted`. There is no TCP.

    Args:
        server: path of Xvfb.
        height: of the screen, in px.
        width: of it.
        environment: variables of the programs, beside ``HOME``, ``DISPLAY`` and ``XAUTHORITY``.

    Attributes:
        home: a new folder, the home of the programs, which is removed at the end.
        name: of the display, such as ``":1"``.
        ended: status of every program that ended, by its index (the server's is 0).

    Raises:
        ScreenError: it does not start.
    """

    def __init__(self, server: str, height: int, width: int, environment: Mapping[str, str]) -> None:
        leave_real_time()
        folder = Path(tempfile.mkdtemp(prefix="worldmodel-desktop-"))
        self.home = folder / "home"
        self.home.mkdir()
        self._secret = self.home / ".Xauthority"
        self._secret.write_bytes(_authority())
        options = ["-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp", "-noreset", "-auth", str(self._secret)]
        self._process = subprocess.Popen(
            [sys.executable, "-I", screen_supervisor.__file__, str(folder), server, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={**environment, "HOME": str(self.home), "XAUTHORITY": str(self._secret)},
            start_new_session=True,
        )
        self.close = weakref.finalize(self, _end, self._process, folder, os.getpid())
        self.ended: dict[int, int] = {}
        self.name, self._count, self._unread = "", 0, b""
        end_s = time.monotonic() + START_S
        while not self.name:
            self.look(max(end_s - time.monotonic(), 0.0))
            if 0 in self.ended or time.monotonic() > end_s:
                self.close()
                raise ScreenError("the X server does not start")

    def start(self, words: Sequence[str]) -> int:
        """Starts a program on the screen; returns its index, from 1."""
        try:
            os.write(_pipe(self._process.stdin), json.dumps(list(words)).encode() + b"\n")
        except (OSError, ValueError) as error:
            raise ScreenError("the X server ended") from error
        self._count += 1
        return self._count

    def look(self, seconds: float = 0.0) -> None:
        """Brings `ended` up to date; waits at most so many seconds for news."""
        while select.select([output := _pipe(self._process.stdout)], [], [], seconds)[0]:
            if not (got := os.read(output, LONGEST_READ)):
                self.ended.setdefault(0, 0)
                return
            *lines, self._unread = (self._unread + got).split(b"\n")
            for kind, *numbers in (line.decode().split() for line in lines):
                if kind == "screen":
                    self.name = f":{numbers[0]}"
                else:
                    self.ended[int(numbers[0])] = int(numbers[1])
            seconds = 0.0

    @contextmanager
    def watched(self, seconds: float) -> Iterator[None]:
        """Ends the screen, so that whoever waits for its answer fails, where this lasts longer."""
        timer = threading.Timer(seconds, _hang_up, [self._process])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    @contextmanager
    def permitted(self) -> Iterator[None]:
        """While it lasts, this process may connect to the screen."""
        with _ENVIRONMENT:
            before = os.environ.get("XAUTHORITY")
            os.environ["XAUTHORITY"] = str(self._secret)
            try:
                yield
            finally:
                del os.environ["XAUTHORITY"]
                if before is not None:
                    os.environ["XAUTHORITY"] = before


def _authority() -> bytes:
    """A secret in the form of X's authority files, for every display of this machine."""
    texts = (socket.gethostname().encode(), b"", b"MIT-MAGIC-COOKIE-1", secrets.token_bytes(16))
    return struct.pack(">H", FAMILY_LOCAL) + b"".join(struct.pack(">H", len(text)) + text for text in texts)


def _pipe(file: object) -> int:
    return file.fileno()  # pyright: ignore[reportAttributeAccessIssue]


def _hang_up(process: subprocess.Popen[bytes]) -> None:
    """Tells the supervisor to end."""
    if process.stdin is not None:
        process.stdin.close()


def _end(process: subprocess.Popen[bytes], folder: Path, owner: int) -> None:
    """Has the supervisor end everything, and waits for it; not from a fork of its owner."""
    if os.getpid() != owner:
        return
    _hang_up(process)
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
    shutil.rmtree(folder, ignore_errors=True)
