"""Chromium without a window, driven through a pipe: it draws a frame when it is told to, and only then.

The DevTools protocol speaks JSON with a NUL after every message. Whatever does not answer in time counts as hung.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
import weakref
from typing import Any

from envs.priority import leave_real_time
from worldmodel.types import InputError

BINARIES = ("chromium-headless-shell", "chrome-headless-shell")
PACKAGE = "chromium-headless-shell"  # of Debian
START_S = 60.0  # a browser may take longer to start than to answer
END_S = 5.0  # who is killed may take a moment to go, and a fork of Python may hold its pipe
POLL_S = 0.5
LONGEST_READ = 2**20

# The shell stays: it removes the profile even where this process is killed, as the browser ends with its pipe. The pipe
# comes as standard input and output; the browser wants it as files 3 and 4.
SUPERVISOR = 'profile=$1; shift; "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1; rm -rf -- "$profile"'

DETERMINISM = (
    "--enable-begin-frame-control",
    "--run-all-compositor-stages-before-draw",
    "--disable-new-content-rendering-timeout",
    "--disable-threaded-animation",
    "--disable-threaded-scrolling",
    "--disable-checker-imaging",
    "--disable-image-animation-resync",
    "--disable-smooth-scrolling",
    # A frame that waits for a scroll's next event, as while a scroll bar is held, may never end.
    "--disable-features=PaintHolding,WaitForLateScrollEvents",
    "--disable-lcd-text",
    "--font-render-hinting=none",
    "--force-color-profile=srgb",
    "--force-device-scale-factor=1",
    "--lang=en-US",
)
# Names are not looked up, and what is not this machine goes to a proxy that is not there.
NO_NETWORK = (
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1 , EXCLUDE [::1]",
    "--proxy-server=http://127.0.0.1:1",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-pings",
)
QUIET = (
    "--no-sandbox",
    "--no-zygote",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-crash-reporter",
    "--disable-breakpad",
    "--disable-extensions",
    "--block-new-web-contents",
    "--mute-audio",
    "--no-first-run",
)


class BrowserError(RuntimeError):
    """The browser hangs, has crashed, or refuses a command."""


class RefusedError(BrowserError):
    """The browser is there, and refuses a command."""


def find_binary(where: str) -> str:
    """Returns the path of a Chromium that draws on command: the headless shell, which other builds do not hold.

    Args:
        where: named in the error.

    Raises:
        InputError: there is none.
    """
    if found := next(filter(None, map(shutil.which, BINARIES)), None):
        return found
    raise InputError(
        f"{where}: none of {', '.join(BINARIES)} is installed, wanted one: apt-get install {PACKAGE} (Debian)"
    )


class Chromium:
    """A browser process with a profile of its own; it ends with `close`, with this object, or with Python.

    Args:
        binary: see `find_binary`.
        timeout_s: an answer that takes longer means that the browser hangs.

    Raises:
        BrowserError: it does not start.
    """

    def __init__(self, binary: str, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        leave_real_time()
        profile = tempfile.mkdtemp(prefix="worldmodel-browser-")
        flags = (*DETERMINISM, *NO_NETWORK, *QUIET, f"--user-data-dir={profile}", "--remote-debugging-pipe")
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", SUPERVISOR, "sh", profile, binary, *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, "TZ": "UTC", "LANG": "C.UTF-8"},
            start_new_session=True,
        )
        self.close = weakref.finalize(self, _end, self.process, profile, os.getpid())
        self._number, self._unread = 0, b""
        self._answers: dict[int, dict[str, Any]] = {}
        self._events: list[dict[str, Any]] = []
        self.wait(self.post("Browser.getVersion"), START_S)

    def post(self, method: str, session: str = "", **parameters: Any) -> int:
        """Sends a command, and returns its number without waiting for the answer."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        try:
            os.write(self._pipe_in, json.dumps(message).encode() + b"\0")
        except OSError as error:
            raise BrowserError(f"{method}: the browser is gone ({error})") from error
        return self._number

    def wait(self, number: int, timeout_s: float | None = None) -> dict[str, Any]:
        """Returns the answer to a command.

        Raises:
            BrowserError: there is none in time, the page or the browser crashed, or the command is refused.
        """
        end = time.monotonic() + (self.timeout_s if timeout_s is None else timeout_s)
        while number not in self._answers:
            self._read(end)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise RefusedError(str(answer["error"].get("message")))
        return answer["result"]

    def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """Sends a command and returns its answer, see `wait`."""
        return self.wait(self.post(method, session, **parameters))

    def answered(self, number: int) -> bool:
        """Whether a command was answered; reads what has come, without waiting."""
        while self._has_more(0.0):
            self._read(time.monotonic() + POLL_S)
        return number in self._answers

    def take_events(self) -> list[dict[str, Any]]:
        """Returns what the browser told without being asked, since the last time."""
        events, self._events = self._events, []
        return events

    def wait_for_more(self, end: float) -> None:
        """Waits until the browser says anything, at most until a time of `time.monotonic`."""
        self._read(end)

    @property
    def _pipe_in(self) -> int:
        assert self.process.stdin is not None
        return self.process.stdin.fileno()

    @property
    def _pipe_out(self) -> int:
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def _has_more(self, seconds: float) -> bool:
        return bool(select.select([self._pipe_out], [], [], seconds)[0])

    def _read(self, end: float) -> None:
        """Takes in what the browser says next, until a time."""
        while not self._has_more(POLL_S):
            if self.process.poll() is not None:
                raise BrowserError("the browser ended")
            if time.monotonic() > end:
                raise BrowserError("the browser does not answer")
        if not (got := os.read(self._pipe_out, LONGEST_READ)):
            raise BrowserError("the browser ended")
        *messages, self._unread = (self._unread + got).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self._answers[message["id"]] = message
            else:
                self._events.append(message)
                if message["method"] == "Inspector.targetCrashed":
                    raise BrowserError("the page crashed")


def _end(process: subprocess.Popen[bytes], profile: str, owner: int) -> None:
    """Kills the browser with all that it started, and removes its profile; not from a fork of its owner."""
    if os.getpid() != owner:
        return
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    _wait_for_end(process)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    shutil.rmtree(profile, ignore_errors=True)


def _wait_for_end(process: subprocess.Popen[bytes]) -> None:
    """Waits for the browser itself, a child of the shell: its pipe ends when it is gone, not yet when it is killed."""
    assert process.stdout is not None
    end = time.monotonic() + END_S
    while (left := end - time.monotonic()) > 0 and select.select([process.stdout], [], [], left)[0]:
        if not os.read(process.stdout.fileno(), LONGEST_READ):
            return
