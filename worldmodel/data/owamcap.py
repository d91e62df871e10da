"""Reads OWAMcap desktop recordings: a video of the screen (mkv) beside the events of keyboard and mouse (mcap).

A recording is cut into ticks, ten a second. The frame of a tick is the last picture taken not later than it, and
``actions[t]`` is what was in force just before tick t + 1:

    pointer_x, pointer_y       place in the picture, in px; clipped to it, since the pointer may leave what is recorded
    left, right, middle        button down then, or pressed within the tick (a click shorter than a tick counts)
    scroll_x, scroll_y         notches of the wheel within the tick
    key_A, key_32, ...         the same as for buttons; letters and digits by name, other keys by their Windows key code

All recordings of a folder share one embodiment: it has every key that is pressed in any of them, and pointer places are
scaled to the size of the first one's picture. Recordings are cut where they were paused, and long ones into episodes of
at most `EPISODE_TICKS`, so that memory holds one such episode's pictures and not hours of them. Ticks in which typed
keys were redacted have no known action.

Source: https://github.com/open-world-agents/ocap
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from jaxtyping import Float32, Int64, UInt8

from worldmodel.data.derived import licence_beside, named_embodiment
from worldmodel.data.owamcap_events import BUTTONS, Ticks, is_recording, read_ticks
from worldmodel.data.streams import video_stream
from worldmodel.types import ActionDim, ActionSpec, EmbodimentSpec, Episode, InputError

FPS = 10.0
EPISODE_TICKS = 100
SCROLL_NOTCHES = 10.0  # a tick's scrolling is clipped to as many
TIME_TOLERANCE_S = 0.0015  # Matroska counts in ms


def detect(path: Path) -> bool:
    """Tells whether a file, or any in a folder, is an MCAP file of the profile ``owa``."""
    return any(is_recording(file) for file in find_recordings(path))


def find_recordings(path: Path) -> list[Path]:
    """Returns the MCAP files below a folder (or the file itself), in the order of their paths."""
    return [path] if path.is_file() else sorted(file for file in path.rglob("*.mcap") if file.is_file())


@dataclass(frozen=True)
class Part:
    """Ticks ``start`` to ``stop`` of a recording; or, with a ``problem``, one that cannot be read."""

    file: Path
    start: int = 0
    stop: int = 0
    problem: str = ""


class OwamcapSource:
    """Episodes of one recording or of all in a folder; opening reads all events once, and no picture.

    Args:
        path: an mcap file, or a folder, searched with its subfolders.
        embodiment: a name of `EMBODIMENTS`; by default ``"desktop"``, derived from the recordings.
        fps: ticks per second.

    Raises:
        InputError: no recording, none that can be read, or an embodiment that does not fit.
    """

    format = "owamcap"

    def __init__(self, path: str | Path, embodiment: str | None = None, fps: float = FPS) -> None:
        self.path, self._fps = str(path), fps
        self._parts: list[Part] = []
        keys: set[int] = set()
        self._canvas: tuple[int, int] | None = None
        for file in find_recordings(Path(path)):
            try:
                ticks = read_ticks(file, fps)
            except InputError as error:
                self._parts.append(Part(file, problem=str(error)))
                continue
            for start, stop in pairwise((*ticks.starts, len(ticks))):
                ends = np.linspace(start, stop, -((start - stop) // EPISODE_TICKS) + 1).astype(int).tolist()
                self._parts += [Part(file, *ends) for ends in pairwise(ends)]
            self._canvas = self._canvas or ticks.size
            keys |= ticks.pressed
        if self._canvas is None:
            found = f"none can be read; the first: {self._parts[0].problem}" if self._parts else "no MCAP file found"
            raise InputError(f"{path}: {found}, wanted OWAMcap recordings")
        self._keys = sorted(keys)
        self._licence = licence_beside(Path(path))
        self._last: tuple[Path, Ticks] | None = None
        spec = EmbodimentSpec("desktop", action_spec(self._canvas, self._keys), fps=fps)
        if embodiment is not None:
            spec = named_embodiment(embodiment, self.path, len(spec.action), 0)
        self.embodiments: Sequence[EmbodimentSpec] = [spec]

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, index: int) -> Episode:
        if not 0 <= index < len(self):
            raise IndexError(f"{self.path}: episode {index} of {len(self)}")
        part, spec = self._parts[index], self.embodiments[0]
        if part.problem:
            raise InputError(part.problem)
        if self._last is None or self._last[0] != part.file:
            self._last = (part.file, read_ticks(part.file, self._fps))
        ticks, rows = self._last[1], slice(part.start, part.stop)
        actions = self._actions(ticks, rows)
        name = part.file.relative_to(self.path) if part.file != Path(self.path) else Path(part.file.name)
        return Episode(
            frames={"pixels": read_pictures(ticks.video, ticks.pictures_ns[rows])},
            actions=np.nan_to_num(actions),
            action_mask=np.isfinite(actions).all(axis=1) & ~ticks.redacted[rows],
            fps=self._fps,
            embodiment=spec.name,
            episode_id=f"{name.with_suffix('')}/{part.start:06d}",
            source=self.path,
            licence=self._licence,
        ).validate()

    def _actions(self, ticks: Ticks, rows: slice) -> Float32[np.ndarray, "t a"]:
        keys = [[code in held for code in self._keys] for held in ticks.keys[rows]]
        columns = (
            ticks.pointer[rows] * np.array(self._canvas),
            ticks.buttons[rows],
            ticks.scroll[rows].clip(-SCROLL_NOTCHES, SCROLL_NOTCHES),
            np.array(keys).reshape(len(keys), len(self._keys)),
        )
        return np.concatenate(columns, axis=1).astype(np.float32)


def action_spec(canvas: tuple[int, int], keys: Sequence[int]) -> ActionSpec:
    """Returns the actions of a desktop: pointer on a canvas of (width, height) px, buttons, wheel, and key codes."""
    width, height = canvas
    pointer = (
        ActionDim("pointer_x", "continuous", 0.0, float(width), "px"),
        ActionDim("pointer_y", "continuous", 0.0, float(height), "px"),
    )
    wheel = (ActionDim(f"scroll_{axis}", "continuous", -SCROLL_NOTCHES, SCROLL_NOTCHES, "notches") for axis in "xy")
    switches = (ActionDim(name, "binary", 0.0, 1.0) for name in BUTTONS)
    held = (ActionDim(key_name(code), "binary", 0.0, 1.0) for code in keys)
    return ActionSpec((*pointer, *switches, *wheel, *held), points=((0, 1),))


def key_name(code: int) -> str:
    """Names a Windows key code: those of letters and digits are their ASCII codes."""
    return f"key_{chr(code) if 48 <= code <= 57 or 65 <= code <= 90 else code}"


def read_pictures(video: Path, times_ns: Int64[np.ndarray, "t"]) -> UInt8[np.ndarray, "t h w 3"]:
    """Decodes the pictures at these times, which do not fall; a time may come several times.

    Raises:
        InputError: the video is missing or damaged, or lacks one of the pictures.
    """
    times_s = times_ns / 1e9
    frames: list[np.ndarray] = []
    try:
        with av.open(str(video)) as container:
            stream = video_stream(container)
            first = max(times_s[0] - TIME_TOLERANCE_S, 0.0)
            container.seek(int(first / float(stream.time_base or 1)), stream=stream)
            for picture in container.decode(stream):
                if picture.time is None or picture.time < times_s[len(frames)] - TIME_TOLERANCE_S:
                    continue
                shown = int(np.sum(np.abs(times_s[len(frames) :] - picture.time) <= TIME_TOLERANCE_S))
                frames += [picture.to_ndarray(format="rgb24")] * shown
                if not shown or len(frames) == len(times_s):
                    break
    except (av.FFmpegError, OSError, ValueError, IndexError, ArithmeticError, MemoryError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{video}: cannot be decoded ({reason}), wanted a whole video file") from error
    if len(frames) != len(times_s) or len({frame.shape for frame in frames}) != 1:
        missing = f"{times_s[min(len(frames), len(times_s) - 1)]:.3f} s"
        raise InputError(f"{video}: no picture at {missing} of the size before, wanted those that the events name")
    return np.stack(frames)
