"""Cuts the keyboard, mouse and window events of an OWAMcap recording into ticks of equal length.

    topic                       message (JSON)
    screen                      media_ref {uri, pts_ns} and source_shape; before version 0.5: path, pts, original_shape
    mouse, mouse/state          event_type move | click | scroll, x, y, button, pressed, dx, dy;  x, y, buttons
    keyboard, keyboard/state    event_type press | release, vk (a Windows key code);              buttons (key codes)
    window                      rect [left, top, right, bottom] of the window in front

and, where ``worldmodel record`` wrote it,

    recording                   event start | pause | resume, origin [x, y] of the recorded picture on the desktop
    redacted                    what is kept back from now on: keys, whole (the picture), rects of it, reasons

Source: https://github.com/open-world-agents/owa-msgs
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64
from mcap.reader import make_reader

from worldmodel.data.owamcap_recovery import is_cut, read_cut
from worldmodel.types import InputError

PROFILE = "owa"
BUTTONS = ("left", "right", "middle")
FRAME_PX = 16  # the invisible frame of a window adds up to so many pixels to the recorded picture
MAX_NS = 2**62
LONGEST_GAP_NS = 3600 * 10**9  # without any event: the clock is damaged (the recorder writes states every second)


@dataclass(frozen=True)
class Ticks:
    """A recording, tick by tick.

    Attributes:
        pointer: x, y just before the next tick, as shares of the recorded picture's width and height; NaN: unknown.
        buttons: which of `BUTTONS` were down then, or were pressed within the tick.
        scroll: dx, dy within the tick, in notches of the wheel.
        keys: codes of the keys that were down then, or were pressed within the tick.
        pictures_ns: time in the video of the last picture that was taken not later than the tick.
        video: file that holds the pictures.
        size: width, height of the recorded picture, in px.
        pressed: codes of all keys that an event tells of.
        redacted: keys were kept back within the tick.
        starts: ticks with which the recording begins or goes on after a pause.
    """

    pointer: Float64[np.ndarray, "t 2"]
    buttons: Bool[np.ndarray, "t 3"]
    scroll: Float64[np.ndarray, "t 2"]
    keys: list[frozenset[int]]
    pictures_ns: Int64[np.ndarray, "t"]
    video: Path
    size: tuple[int, int]
    pressed: frozenset[int]
    redacted: Bool[np.ndarray, "t"]
    starts: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.keys)


@dataclass
class Desktop:
    """What is known of a desktop at one moment, from the messages so far."""

    pointer: tuple[float, float] = (np.nan, np.nan)  # px of the desktop
    buttons: set[str] = field(default_factory=set)
    keys: set[int] = field(default_factory=set)
    touched: set[str | int] = field(default_factory=set)  # buttons and keys pressed since the last tick
    scroll: tuple[float, float] = (0.0, 0.0)  # since the last tick
    pressed: set[int] = field(default_factory=set)
    window: tuple[float, ...] = ()  # left, top, right, bottom
    origin: tuple[float, float] = (0.0, 0.0)  # of the recorded picture, in px of the desktop
    size: tuple[int, int] | None = None
    video: str = ""
    picture_ns: int = 0
    fixed: bool = False  # the origin is told, and need not be found
    redacted: bool = False
    veiled: bool = False  # redacted at some time since the last tick

    def take(self, topic: str, message: Mapping[str, Any]) -> None:
        """Takes a message into account.

        Raises:
            KeyError, TypeError, ValueError, OverflowError: it is not what its topic promises.
        """
        if topic == "screen":
            media = message.get("media_ref") or {"uri": message["path"], "pts_ns": message["pts"]}
            width, height = message.get("source_shape") or message.get("original_shape") or message["shape"]
            size, video, picture_ns = (int(width), int(height)), str(media["uri"]), int(media["pts_ns"])
            if min(size) <= 0 or not 0 <= picture_ns < MAX_NS or (self.video and self.video != video):
                raise ValueError("a size, a time in the video, one video for all")
            self.size, self.video, self.picture_ns = size, video, picture_ns
            self._find_origin()
        elif topic == "window":
            left, top, right, bottom = message["rect"]
            self.window = (float(left), float(top), float(right), float(bottom))
            self._find_origin()
        elif topic in ("mouse", "mouse/state"):
            self.pointer = (float(message["x"]), float(message["y"]))
            self._take_buttons(message)
        elif topic == "keyboard":
            _set(self.keys, int(message["vk"]), message["event_type"] == "press", self.touched)
            self.pressed.add(int(message["vk"]))
        elif topic == "keyboard/state":
            self.keys = {int(code) for code in message["buttons"]}  # makes up for events that were missed
        elif topic == "redacted":
            self.redacted = bool(message["keys"])
            self.veiled = self.veiled or self.redacted
        elif topic == "recording":
            x, y = message["origin"]
            self.origin, self.fixed = (float(x), float(y)), True

    def tick(self) -> tuple[Any, ...]:
        """Ends a tick: returns a row of pointer, buttons, scroll, keys and whether it is redacted."""
        place = np.subtract(self.pointer, self.origin) / (self.size or (1, 1))
        buttons = [name in self.buttons or name in self.touched for name in BUTTONS]
        keys = frozenset(self.keys | {code for code in self.touched if isinstance(code, int)})
        row = (place.clip(0.0, 1.0), buttons, self.scroll, keys, self.veiled)
        self.scroll = (0.0, 0.0)
        self.veiled = self.redacted
        self.touched.clear()
        return row

    def _take_buttons(self, message: Mapping[str, Any]) -> None:
        kind = message.get("event_type")
        if kind == "click":
            _set(self.buttons, str(message["button"]), bool(message["pressed"]), self.touched)
        elif kind == "scroll":
            self.scroll = (self.scroll[0] + float(message["dx"]), self.scroll[1] + float(message["dy"]))
        elif kind is None:
            self.buttons = {str(name) for name in message["buttons"]}

    def _find_origin(self) -> None:
        """Finds where the recorded picture lies: in the window that is as large, apart from its invisible frame.

        Windows has that frame left, right and below. Where no window fits, the picture is that of the first screen.
        """
        if not self.window or self.size is None or self.fixed:
            return
        left, top, right, bottom = self.window
        spare_x, spare_y = right - left - self.size[0], bottom - top - self.size[1]
        if 0 <= spare_x <= FRAME_PX and 0 <= spare_y <= FRAME_PX:
            self.origin = (left + spare_x / 2, top)


def read_ticks(path: Path, fps: float) -> Ticks:
    """Reads the events of a recording; the first tick is the moment of the first picture.

    A recorder that was killed leaves a file without an end, which is read as far as it goes. Ticks that a pause
    interrupts are left out, as is the pause; the first picture after it begins anew.

    Raises:
        InputError: damaged file, messages of another kind, or a recording shorter than a tick.
    """
    period_ns, end_ns, picture_ns, running = round(1e9 / fps), 0, 0, False
    desktop, rows, pictures_ns, starts = Desktop(), [], [], []
    for time_ns, topic, message in read_messages(path):
        if running and time_ns - end_ns > LONGEST_GAP_NS:
            raise InputError(f"{path}: {(time_ns - end_ns) / 1e9:.0f} s without an event, wanted at most an hour")
        # A picture taken at the very moment of a tick is that tick's picture.
        while running and (time_ns > end_ns or (time_ns == end_ns and topic != "screen")):
            rows.append(desktop.tick())
            pictures_ns.append(picture_ns)
            end_ns, picture_ns = end_ns + period_ns, desktop.picture_ns
        try:
            desktop.take(topic, message)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            found = f"{topic} message {str(message)[:100]}"
            raise InputError(f"{path}: {found}, wanted OWA's fields ({error})") from error
        if topic == "recording":
            running = running and message.get("event") != "pause"
        elif topic == "screen" and not running:
            desktop.tick()  # what came before the first picture is no action
            end_ns, picture_ns, running = time_ns + period_ns, desktop.picture_ns, True
            starts.append(len(rows))
    if not rows or desktop.size is None:
        raise InputError(f"{path}: no screen messages over {1 / fps:g} s or more, wanted a desktop recording")
    pointer, buttons, scroll, keys, redacted = zip(*rows, strict=True)
    video = path.parent / desktop.video.removeprefix("file://")
    lists = np.array(pointer), np.array(buttons), np.array(scroll, float), list(keys), np.array(pictures_ns, np.int64)
    ends = np.array(redacted), tuple(starts)
    return Ticks(*lists, video, desktop.size, frozenset(desktop.pressed), *ends)


def read_messages(path: Path) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yields time in ns, topic and contents of every message, in the order of time.

    Raises:
        InputError: the file is missing or damaged; one that only lacks its end is not.
    """
    try:
        for time_ns, topic, data in read_cut(path) if is_cut(path) else _read_whole(path):
            contents = json.loads(data)
            if not isinstance(contents, dict):
                raise ValueError(f"a {type(contents).__name__} in topic {topic}")
            yield time_ns, topic, contents
    except Exception as error:  # in damaged bytes the library's parser meets anything: struct, zstd, memory, key errors
        reason = " ".join(f"{type(error).__name__} {error}".split())[:120]
        raise InputError(f"{path}: not a whole MCAP file ({reason}), wanted one") from error


def _read_whole(path: Path) -> Iterator[tuple[int, str, bytes]]:
    with path.open("rb") as file:
        for _, channel, message in make_reader(file, validate_crcs=True).iter_messages():
            yield message.log_time, channel.topic, message.data


def is_recording(path: Path) -> bool:
    """Tells whether a file begins as an OWAMcap recording does."""
    try:
        with path.open("rb") as file:
            return make_reader(file).get_header().profile == PROFILE
    except Exception:  # see read_messages
        return False


def _set(held: set[Any], name: str | int, down: bool, touched: set[Any]) -> None:
    if down:
        held.add(name)
        touched.add(name)
    else:
        held.discard(name)
