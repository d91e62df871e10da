"""Writes the Matroska file of a recording, so that a kill at any time loses one picture."""

from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.stream import VideoStream
from jaxtyping import UInt8

from envs.screen.events import create_private
from worldmodel.types import InputError

TIME_BASE = Fraction(1, 1000)  # Matroska counts in ms
# Name -> the encoder, its pixels and its options. No 4:2:0, in which coloured text cannot be read.
CODECS = {
    # Half the work of veryfast, and files at most 1.6 times as large: recording must not slow what it records.
    "h264": ("libx264", "yuv444p", {"preset": "ultrafast", "tune": "zerolatency", "crf": "14"}),
    "ffv1": ("ffv1", "bgr0", {"level": "3", "slices": "4", "slicecrc": "1"}),  # exact
}
# Each picture is a cluster of its own and goes to the file when the next one comes.
CONTAINER = {"cluster_time_limit": "1", "flush_packets": "1"}


class VideoFile:
    """A Matroska file to which pictures are added.

    Args:
        path: a new file.
        codec: one of `CODECS`.
        width: of every picture, in px.
        height: of every picture, in px.
        fps: pictures in a second, after which one can be decoded without those before.

    Raises:
        InputError: an unknown codec, or a size that it cannot encode.
    """

    def __init__(self, path: Path, codec: str, width: int, height: int, fps: int) -> None:
        check_codec(codec)
        encoder, self._pixels, options = CODECS[codec]
        create_private(path)
        self._path = path
        self._container = av.open(str(path), "w", format="matroska", options=CONTAINER)
        self._stream = cast(VideoStream, self._container.add_stream(encoder, rate=fps, options=options))
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, self._pixels
        self._stream.codec_context.time_base = TIME_BASE
        self._stream.codec_context.gop_size = fps if codec == "h264" else 1
        self._stream.codec_context.thread_type = "SLICE"  # by frames, pictures would wait for those after them
        try:
            self._stream.codec_context.open()
        except av.FFmpegError as error:
            self._container.close()
            path.unlink()
            raise InputError(f"record: {codec} cannot encode {width}x{height} px, wanted a larger region") from error

    def add(self, bgra: UInt8[np.ndarray, "h w 4"], time_ms: int) -> None:
        """Adds a picture at a time after the one before; that one is in the file when this returns.

        Raises:
            OSError: the file cannot be written.
        """
        frame = av.VideoFrame.from_ndarray(bgra, format="bgra").reformat(format=self._pixels)
        frame.pts, frame.time_base = time_ms, TIME_BASE
        self._encode(frame)

    def close(self) -> None:
        """Completes the file.

        Raises:
            OSError: it cannot be written.
        """
        self._encode(None)
        self._container.close()

    def _encode(self, frame: av.VideoFrame | None) -> None:
        try:
            self._container.mux(self._stream.encode(frame))
        except av.FFmpegError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error


def check_codec(codec: str) -> None:
    """Raises InputError for one that is not of `CODECS`."""
    if codec not in CODECS:
        raise InputError(f"record: codec {codec!r} is unknown, wanted one of: {', '.join(CODECS)}")
