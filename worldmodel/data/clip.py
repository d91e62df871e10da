"""One video file, decoded as little as is asked for: its pictures at a constant rate, or thumbnails one by one.

What plays at a varying rate (animated GIF, recordings of screens and phones) is brought to a constant one: the whole
number of frames per second nearest to its usual interval. Each tick shows the last picture that appeared not later than
it, so that ``actions[t]``, taken between ticks t and t + 1, leads to what was seen at t + 1.
"""

import ctypes
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import av
import numpy as np
from jaxtyping import Float64, Int64, UInt8

from worldmodel.data.streams import video_stream
from worldmodel.types import InputError

# decord asks that all that is loaded after it takes FFmpeg and libxcb from the copies that it brings; libraries which
# have called the system's before (for a screen, or for OpenGL) then end the process.
wished, ctypes.RTLD_GLOBAL = ctypes.RTLD_GLOBAL, ctypes.RTLD_LOCAL
import decord  # noqa: E402

ctypes.RTLD_GLOBAL = wished
decord.logging.set_level(decord.logging.QUIET)  # a broken clip is told once, by the InputError

SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".gif")
THUMBNAIL = (36, 64)  # height and width in pixels
TIME_TOLERANCE_S = 0.0015  # Matroska counts in ms
UNSTEADY = 0.25  # an interval that differs from the usual one by this share of it makes a rate a varying one

Pictures = UInt8[np.ndarray, "t h w 3"]
DAMAGE = (decord.DECORDError, av.FFmpegError, RuntimeError, ValueError, IndexError, MemoryError)


class _Decord:
    """Everything that decord reads.

    Attributes:
        times: begin of every picture in seconds, and the end of the last one.
        fps: nominal rate in frames per second.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._reader = decord.VideoReader(self._path, num_threads=1)
        moments = np.asarray(self._reader.get_frame_timestamp(range(len(self._reader))), np.float64)
        self.times = np.append(moments[:, 0], moments[-1:, 1])
        self.fps = float(self._reader.get_avg_fps())

    def pictures(self, chosen: Sequence[int]) -> Pictures:
        return self._reader.get_batch(chosen).asnumpy()

    def thumbnails(self) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        height, width = THUMBNAIL
        for picture in decord.VideoReader(self._path, num_threads=1, height=height, width=width):
            yield picture.asnumpy()


class _Gif:
    """Animated GIF, which decord cannot read, through PyAV; attributes as of `_Decord`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.read_bytes().rstrip(b"\0\r\n").endswith(b";"):
            raise ValueError("no trailer")  # FFmpeg would end early without a word
        begins, ends = [], []
        for frame in self._frames():
            begins.append(frame.time)
            ends.append(frame.time + frame.duration * float(frame.time_base or 0))
        self.times = np.array([*begins, ends[-1]], np.float64)
        gaps = np.diff(self.times)
        self.fps = round(float(1 / np.median(gaps)), 3) if np.median(gaps) > 0 else 10.0

    def _frames(self) -> Iterator[av.VideoFrame]:
        with av.open(str(self._path)) as container:
            yield from container.decode(video_stream(container))

    def pictures(self, chosen: Sequence[int]) -> Pictures:
        wanted = set(chosen)
        kept = [frame.to_ndarray(format="rgb24") for index, frame in enumerate(self._frames()) if index in wanted]
        return np.stack(kept)

    def thumbnails(self) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        height, width = THUMBNAIL
        for frame in self._frames():
            yield frame.to_ndarray(format="rgb24", width=width, height=height)


class Clip:
    """A video file, opened when first asked for something.

    Args:
        path: the file.

    Every method raises an InputError if the file is truncated, empty or no video, or tells no rate.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def _decoder(self) -> _Decord | _Gif:
        try:
            return _Gif(self.path) if self.path.suffix.lower() == ".gif" else _Decord(self.path)
        except DAMAGE as error:
            raise self._damaged() from error

    @cached_property
    def _ticks(self) -> tuple[float, Int64[np.ndarray, "t"]]:
        fps, shown = steady(self._decoder.times, self._decoder.fps)
        if not 0.0 < fps < np.inf:
            raise InputError(f"{self.path}: {fps} frames per second, wanted a positive number")
        return fps, shown

    @property
    def fps(self) -> float:
        """Ticks per second."""
        return self._ticks[0]

    def __len__(self) -> int:
        """Number of ticks."""
        return len(self._ticks[1])

    def tick_of(self, pictures: Sequence[int]) -> list[int]:
        """First ticks that show these pictures, or later ones."""
        return np.searchsorted(self._ticks[1], np.asarray(pictures, int)).tolist()

    def read(self, start: int = 0, stop: int | None = None) -> Pictures:
        """Decodes the pictures of the ticks from ``start`` until before ``stop`` (the end)."""
        chosen, again = np.unique(self._ticks[1][start:stop], return_inverse=True)
        try:
            pictures = self._decoder.pictures(chosen.tolist())
        except DAMAGE as error:
            raise self._damaged() from error
        return pictures if len(again) == len(chosen) else pictures[again]

    def thumbnails(self) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        """Yields all pictures as they are stored, not by ticks, shrunk to `THUMBNAIL`."""
        try:
            yield from self._decoder.thumbnails()
        except DAMAGE as error:
            raise self._damaged() from error

    def _damaged(self) -> InputError:
        return InputError(f"{self.path}: cannot be decoded to its end, wanted a whole video file")


def steady(times: Float64[np.ndarray, "n"], fps: float) -> tuple[float, Int64[np.ndarray, "t"]]:
    """Returns a constant rate and the picture that each tick shows.

    Args:
        times: begin of every picture in seconds, and the end of the last one.
        fps: what the file calls its rate, which is kept if the pictures come steadily.
    """
    count, gaps = len(times) - 1, np.diff(times[:-1])
    usual = float(np.median(gaps)) if len(gaps) else 0.0
    if not usual > 0 or gaps.min() <= 0 or np.abs(gaps - usual).max() <= UNSTEADY * usual:
        return fps, np.arange(count)
    rate = max(1, round(1 / usual))
    ticks = max(1, int((times[-1] - times[0] + TIME_TOLERANCE_S) * rate))
    moments = times[0] + np.arange(ticks) / rate + TIME_TOLERANCE_S
    return float(rate), np.searchsorted(times[:-1], moments, side="right") - 1
