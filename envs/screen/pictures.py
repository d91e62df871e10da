"""The screen, or a part of it, grabbed at a fixed rate by a thread of its own."""

from collections import deque
from dataclasses import dataclass
from threading import Event as Flag
from threading import Thread
from typing import NamedTuple

import mss
import numpy as np
from jaxtyping import UInt8
from mss.exception import ScreenShotError

from envs.screen.clock import NS, now_ns
from worldmodel.types import InputError

MAX_WAITING_BYTES = 2**29  # of pictures in memory that are not yet written; more are left out
PATIENCE_S = 5.0
MIN_PX = 16


class Region(NamedTuple):
    """Part of a screen, in px: left, top, width and height."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Picture:
    """What was on the screen at a time, which is when it had been read: it shows nothing that came later."""

    time_ns: int
    bgra: UInt8[np.ndarray, "h w 4"]


class Grabber:
    """Grabs from `start` to `stop`; an error leaves out a picture and ends nothing.

    Args:
        region: what to grab; None: the whole screen.
        fps: pictures per second.

    Attributes:
        pictures: those that are waiting to be written, oldest first.
        dropped: how many were left out, because grabbing or writing took too long or failed.
        resting: while it is set nothing is grabbed.

    Raises:
        InputError: the region lies outside of the screen, or the screen cannot be read.
    """

    def __init__(self, region: Region | None, fps: int) -> None:
        self.pictures: deque[Picture] = deque()
        self.dropped = 0
        self.resting = Flag()
        self._ended, self._period_ns = Flag(), NS // fps
        try:
            with mss.MSS() as screen:
                whole = screen.monitors[0]
        except (ScreenShotError, OSError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"record: the screen cannot be read ({reason}), wanted an X11 screen and libxcb"
            ) from error
        self.region = region or Region(whole["left"], whole["top"], whole["width"], whole["height"])
        x, y, width, height = self.region
        right, bottom = whole["left"] + whole["width"], whole["top"] + whole["height"]
        if (
            min(width, height) < MIN_PX
            or x < whole["left"]
            or y < whole["top"]
            or x + width > right
            or y + height > bottom
        ):
            found = f"region {x} {y} {width} {height} (X Y WIDTH HEIGHT)"
            raise InputError(f"record: {found}, wanted {MIN_PX} px or more within {right}x{bottom}")
        self._thread = Thread(target=self._grab, name="grabber", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(PATIENCE_S)

    def _grab(self) -> None:
        try:
            with mss.MSS(with_cursor=True) as screen:
                self._grab_from(screen)
        except (ScreenShotError, OSError):
            return  # the screen is gone, which the others tell

    def _grab_from(self, screen: mss.MSS) -> None:
        x, y, width, height = self.region
        place = {"left": x, "top": y, "width": width, "height": height}
        due_ns = now_ns()
        while not self._ended.wait(max(due_ns - now_ns(), 0) / NS):
            if self.resting.is_set():
                due_ns = now_ns() + self._period_ns
                continue
            try:
                shot = screen.grab(place)
                bgra = np.frombuffer(shot.raw, np.uint8).reshape(shot.height, shot.width, 4)
                if (len(self.pictures) + 1) * bgra.nbytes <= MAX_WAITING_BYTES:
                    self.pictures.append(Picture(now_ns(), bgra))
                else:
                    self.dropped += 1
            except Exception:  # such as a screen that was made smaller: what comes after must be recorded
                self.dropped += 1
            missed = max(now_ns() - due_ns, 0) // self._period_ns
            self.dropped += missed
            due_ns += (missed + 1) * self._period_ns
