"""Writes films: mp4 for people's players, GIF for README pages, WebP for reports. Reads nothing."""

import io
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from worldmodel.output import whole_file


def write_mp4(path: Path, frames: UInt8[np.ndarray, "t h w 3"], fps: float) -> None:
    """Writes H.264 that every browser plays (4:2:0; an odd last row or column is repeated)."""
    odd_h, odd_w = frames.shape[1] % 2, frames.shape[2] % 2
    even = np.pad(frames, ((0, 0), (0, odd_h), (0, odd_w), (0, 0)), mode="edge")
    with whole_file(path) as part:
        writer = imageio_ffmpeg.write_frames(
            str(part),
            (even.shape[2], even.shape[1]),
            fps=fps,  # pyright: ignore[reportArgumentType] - handed on to ffmpeg, which takes fractions
            codec="libx264",
            macro_block_size=2,
            output_params=["-crf", "16", "-preset", "veryfast", "-movflags", "+faststart", "-threads", "2"],
            ffmpeg_log_level="quiet",
        )
        try:
            writer.send(None)
            for frame in even:
                writer.send(np.ascontiguousarray(frame))
            writer.close()
            written = part.exists() and part.stat().st_size > 0
        except OSError as error:
            # Its own message spans many lines and does not say why.
            raise OSError("the video encoder stopped (disk full?)") from error
        if not written:
            raise OSError("the video encoder wrote nothing")


def write_gif(path: Path, frames: UInt8[np.ndarray, "t h w 3"], fps: float, *, colours: int = 128) -> None:
    """Writes an endless GIF with one palette for all frames (so that still parts do not flicker)."""
    sampled = Image.fromarray(np.concatenate(list(frames[:: max(1, len(frames) // 8)])))
    palette = sampled.quantize(colours, method=Image.Quantize.MEDIANCUT)
    pictures = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    with whole_file(path) as part:
        pictures[0].save(part, save_all=True, append_images=pictures[1:], duration=_duration_ms(fps), loop=0)


def write_png(path: Path, picture: UInt8[np.ndarray, "h w 3"]) -> None:
    """Writes one picture."""
    with whole_file(path) as part:
        Image.fromarray(picture).save(part)


def webp_bytes(frames: UInt8[np.ndarray, "t h w 3"], fps: float, *, lossless_limit: int = 300_000) -> bytes:
    """Encodes an endless animation: exact pixels, unless they take more bytes than the limit (camera pictures)."""
    exact = _webp(frames, fps, lossless=True, quality=60)
    return exact if len(exact) <= lossless_limit else _webp(frames, fps, lossless=False, quality=75)


def _webp(frames: UInt8[np.ndarray, "t h w 3"], fps: float, *, lossless: bool, quality: int) -> bytes:
    pictures = [Image.fromarray(frame) for frame in frames]
    options = {"duration": _duration_ms(fps), "loop": 0, "lossless": lossless, "quality": quality, "method": 3}
    stream = io.BytesIO()
    pictures[0].save(stream, "WEBP", save_all=True, append_images=pictures[1:], **options)
    return stream.getvalue()


def _duration_ms(fps: float) -> int:
    return max(20, round(1000 / fps))
