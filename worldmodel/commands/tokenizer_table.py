"""Compares tokenizers on recordings: how much of a picture they keep, how fast, and in how many bytes."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from worldmodel.commands.places import check_writable
from worldmodel.data.cameras import camera_frames
from worldmodel.data.frames import check_frame_size, resize_frames
from worldmodel.data.open import open_dataset
from worldmodel.metrics import FrameError, changed_mask
from worldmodel.models.tokenizers import load_tokenizer
from worldmodel.output import make_folder, write_json
from worldmodel.types import EpisodeSource, InputError

STEPS = 16  # frames measured per clip, after the one that tells what changed; as the horizon of `evaluate_dream`
COLUMNS = {
    "psnr_db": "PSNR (dB)",
    "changed_psnr_db": "changed pixels (dB)",
    "encode_frames_per_s": "encoded frames/s",
    "decode_frames_per_s": "decoded frames/s",
    "bytes_per_frame": "bytes per frame",
}


def compare_tokenizers(
    names: Sequence[str],
    data: str,
    output: str,
    *,
    size: tuple[int, int] | None = None,
    clips: int = 16,
    camera: str | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Measures tokenizers on the same clips, prints a table and writes metrics.json.

    Args:
        names: see `load_tokenizer`.
        data: file, folder or Hub id of the recordings; actions are not needed.
        output: folder for metrics.json.
        size: height and width in pixels that frames are brought to; their own unless given.
        clips: number of clips of 17 frames, fewer if there are fewer episodes.
        camera: see `camera_frames`; every episode's first unless given.
        seed: chooses the clips.

    Returns:
        What metrics.json holds: per tokenizer `measure`'s values, and what they were measured on.

    Raises:
        InputError: an unknown tokenizer, no usable clip, or an output that cannot be written.
    """
    folder = check_writable(output)
    tokenizers = {name: load_tokenizer(name) for name in names}
    frames = choose_clips(open_dataset(data), clips, size, camera, seed)
    metrics: dict[str, Any] = {"tokenizers": {}, "data": {"name": Path(data).name, "clips": len(frames)}}
    metrics["data"] |= {"height": frames.shape[2], "width": frames.shape[3], "threads": torch.get_num_threads()}
    for name, tokenizer in tokenizers.items():
        metrics["tokenizers"][name] = measure(tokenizer.encode, tokenizer.decode, frames, name)
        if tokenizer.frames_per_latent > 1:
            label = f"{name}, {tokenizer.frames_per_latent} frames a latent"
            metrics["tokenizers"][label] = measure(tokenizer.encode_clips, tokenizer.decode_clips, frames, label)
    write_json(make_folder(folder) / "metrics.json", metrics)
    Console().print(_table(metrics))
    return metrics


def choose_clips(
    source: EpisodeSource, count: int, size: tuple[int, int] | None, camera: str | None, seed: int
) -> UInt8[np.ndarray, "b t h w 3"]:
    """Cuts one clip of 17 frames out of each of ``count`` episodes, spread evenly; short episodes are passed over.

    Raises:
        InputError: no episode is long enough, or the frames' sides are not divisible by 16.
    """
    rng = np.random.default_rng(seed)
    clips: list[np.ndarray] = []
    for index in track(
        np.unique(np.linspace(0, len(source) - 1, min(count, len(source))).astype(int)), "reading recordings"
    ):
        frames = camera_frames(source[int(index)], camera)
        if len(frames) > STEPS:
            size = size or (frames.shape[1], frames.shape[2])
            check_frame_size(*size, source.path)
            start = int(rng.integers(0, len(frames) - STEPS))
            clips.append(resize_frames(frames[start : start + 1 + STEPS], *size).copy())
    if not clips:
        raise InputError(f"{source.path}: no episode of {1 + STEPS} frames found, wanted at least one")
    return np.stack(clips)


@torch.no_grad()
def measure(
    encode: Callable[[Tensor], Tensor],
    decode: Callable[[Tensor], Tensor],
    clips: UInt8[np.ndarray, "b t h w 3"],
    name: str,
) -> dict[str, float | None]:
    """Encodes and decodes clip by clip, with latents rounded to half precision as the cache keeps them.

    Returns:
        ``psnr_db`` over all frames but the first of each clip, ``changed_psnr_db`` over their pixels that differ from
        that first frame, ``encode_frames_per_s``, ``decode_frames_per_s`` and ``bytes_per_frame`` (float16 latents).
    """
    error, seconds = FrameError(STEPS), np.zeros((len(clips), 2))
    bytes_per_frame = 0.0
    for index, clip in enumerate(track(clips, name)):
        frames = torch.from_numpy(clip[None])
        begin = time.perf_counter()
        latents = encode(frames).half()
        middle = time.perf_counter()
        decoded = decode(latents.float()).numpy()
        seconds[index] = middle - begin, time.perf_counter() - middle
        error.add(clip[None, 1:], decoded[:, 1:], changed_mask(clip[None, 1:], clip[None, 0]))
        bytes_per_frame = latents.nbytes / len(clip)
    # The first clip warms caches up.
    rates = clips.shape[1] / (seconds[1:] if len(clips) > 1 else seconds).mean(0)
    return {
        "psnr_db": error.psnr_db,
        "changed_psnr_db": error.changed_psnr_db,
        "encode_frames_per_s": float(rates[0]),
        "decode_frames_per_s": float(rates[1]),
        "bytes_per_frame": bytes_per_frame,
    }


def _table(metrics: dict[str, Any]) -> Table:
    data = metrics["data"]
    title = f"tokenizers on {data['name']}: {data['clips']} clips, {data['width']}x{data['height']} px"
    table = Table(title=f"{title}, {data['threads']} threads", title_justify="left")
    table.add_column("tokenizer", overflow="fold")
    for heading in COLUMNS.values():
        table.add_column(heading, justify="right")
    for name, values in metrics["tokenizers"].items():
        cells = ["none" if values[key] is None else f"{values[key]:.1f}" for key in COLUMNS]
        table.add_row(name, *cells)
    return table
