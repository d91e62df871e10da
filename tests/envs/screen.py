"""A virtual screen, somebody who uses it, and recorders that look on."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from Xlib import XK, X
from Xlib.display import Display
from Xlib.ext import xtest

from envs.screen.clock import now_ns
from envs.screen.recorder import Progress, Recorder, Settings
from worldmodel.data.owamcap_events import read_messages

WIDTH, HEIGHT = 320, 240
PATIENCE_S = 120.0
needs_screen = pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed")


def wait_until(holds: Any) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


@contextmanager
def virtual_screen() -> Iterator[str]:
    """Starts an X server with a free number; yields its name."""
    reading, writing = os.pipe()
    size = f"{WIDTH}x{HEIGHT}x24"
    words = ["Xvfb", "-displayfd", str(writing), "-screen", "0", size, "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(words, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        with os.fdopen(reading) as told:
            number = told.readline().strip()
        assert number, "the X server did not start"
        yield f":{number}"
    finally:
        server.terminate()
        server.wait()


class Person:
    """Moves, clicks and types on a screen; ``sent`` is what a recording should tell of it."""

    def __init__(self, name: str) -> None:
        self.display = Display(name)
        self.root = self.display.screen().root
        self.sent: list[dict[str, Any]] = []
        pointer = self.root.query_pointer()
        self._place = {"x": pointer.root_x, "y": pointer.root_y}

    def move(self, x: int, y: int) -> None:
        xtest.fake_input(self.display, X.MotionNotify, x=x, y=y)
        self.display.sync()
        self._place = {"x": x, "y": y}
        self.sent.append({"event_type": "move", **self._place})

    def click(self, button: int = 1) -> None:
        for kind in (X.ButtonPress, X.ButtonRelease):
            xtest.fake_input(self.display, kind, button)
        self.display.sync()
        name = {1: "left", 2: "middle", 3: "right"}[button]
        for pressed in (True, False):
            self.sent.append({"event_type": "click", **self._place, "button": name, "pressed": pressed})

    def scroll(self, button: int) -> None:
        for kind in (X.ButtonPress, X.ButtonRelease):
            xtest.fake_input(self.display, kind, button)
        self.display.sync()
        dx, dy = {4: (0, 1), 5: (0, -1), 6: (-1, 0), 7: (1, 0)}[button]
        self.sent.append({"event_type": "scroll", **self._place, "dx": dx, "dy": dy})

    def press(self, name: str, down: bool) -> None:
        code = self.display.keysym_to_keycode(XK.string_to_keysym(name))
        xtest.fake_input(self.display, X.KeyPress if down else X.KeyRelease, code)
        self.display.sync()

    def tap(self, name: str) -> None:
        """Presses and releases a key that is not told of."""
        self.press(name, True)
        self.press(name, False)

    def type(self, text: str) -> None:
        for letter in text:
            self.tap(letter)
            for kind in ("press", "release"):
                self.sent.append({"event_type": kind, "vk": ord(letter.upper())})

    def window(self, title: str, place: tuple[int, int, int, int], colour: tuple[int, int, int]) -> Any:
        """Shows a window (x, y, width, height) of a colour, which nobody is asked about."""
        screen = self.display.screen()
        window = self.root.create_window(
            *place, 0, screen.root_depth, background_pixel=pixel(colour), override_redirect=True
        )
        window.set_wm_name(title)
        window.map()
        self.display.sync()
        return window

    def paint(self, window: Any, colour: tuple[int, int, int]) -> None:
        window.change_attributes(background_pixel=pixel(colour))
        window.clear_area()
        self.display.sync()

    def focus(self, window: Any) -> None:
        window.set_input_focus(X.RevertToPointerRoot, X.CurrentTime)
        self.display.sync()


def pixel(colour: tuple[int, int, int]) -> int:
    return colour[0] << 16 | colour[1] << 8 | colour[2]


@contextmanager
def recording(path: Path, **settings: Any) -> Iterator[Recorder]:
    """Records meanwhile, in this process; ends when it has been told to stop, which it is at the end."""
    recorder = Recorder(path, Settings(**{"codec": "ffv1", **settings}))
    begun, failed = threading.Event(), []

    def show(progress: Progress) -> None:
        if progress.frames:
            begun.set()

    def run() -> None:
        try:
            recorder.run(show)
        except BaseException as error:
            failed.append(error)
        begun.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert begun.wait(PATIENCE_S)
        yield recorder
    finally:
        recorder.command("stop")
        thread.join(PATIENCE_S)
    assert not failed, failed
    assert not thread.is_alive()


def messages(path: Path, *topics: str) -> list[tuple[int, dict[str, Any]]]:
    """Times and contents of a recording's messages on some topics."""
    file = path.with_name(f"{path.name}.mcap")
    return [(time_ns, contents) for time_ns, topic, contents in read_messages(file) if topic in topics]


def events(path: Path) -> list[dict[str, Any]]:
    return [contents for _, contents in messages(path, "mouse", "keyboard")]


def wait_for_picture(path: Path) -> None:
    """Until a picture of a later time than now is in the file."""
    asked_ns = now_ns()
    wait_until(lambda: any(time_ns > asked_ns for time_ns, _ in messages_or_none(path)))


def pictures(path: Path) -> list[tuple[int, np.ndarray]]:
    """Times and RGB pictures, of which the events name every one."""
    named = messages(path, "screen")
    with av.open(str(path.with_name(f"{path.name}.mkv"))) as container:
        shown = {round(frame.time * 1000): frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)}
    return [(time_ns, shown[contents["media_ref"]["pts_ns"] // 10**6]) for time_ns, contents in named]


def shows(picture: np.ndarray, colour: tuple[int, int, int]) -> bool:
    """Whether any pixel of a picture has nearly this colour."""
    return bool((np.abs(picture.astype(int) - colour).max(axis=-1) <= 8).any())


@contextmanager
def doomed(path: Path, **settings: Any) -> Iterator[int]:
    """Records in a forked process, which the caller has to kill; yields its number."""
    child = os.fork()
    if child == 0:
        try:
            Recorder(path, Settings(**settings)).run(lambda progress: None)
        finally:
            os._exit(0)
    try:
        wait_until(lambda: path.with_name(f"{path.name}.mcap").exists() and messages_or_none(path))
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def messages_or_none(path: Path) -> list[Any]:
    """Events so far of a recording that goes on."""
    try:
        return messages(path, "screen")
    except ValueError:
        return []
