"""Mean and deviation of a tokenizer's latents on the recordings of a run: what the backbone sees has unit scale.

Where a latent spans several frames they are measured on clips: a frame alone is encoded differently.
"""

from collections.abc import Sequence

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from worldmodel.data.cache import Recordings
from worldmodel.models.frame_tokenizer import FrameTokenizer, fitting

CLIP_LATENTS = 4  # of a clip, after the first


@torch.no_grad()
def fit_statistics(
    tokenizer: FrameTokenizer, recordings: Sequence[Recordings], episodes: Sequence[np.ndarray], count: int = 512
) -> None:
    """Sets the statistics to those over ``count`` training frames of every dataset.

    Args:
        tokenizer: its statistics are replaced, its weights are left as they are.
        recordings: datasets.
        episodes: per dataset, the training episodes.
        count: frames per dataset, evenly spread; in clips where the tokenizer compresses time.
    """
    encode = _encode_frames if tokenizer.frames_per_latent == 1 else _encode_clips
    parts = [
        latents
        for dataset, chosen in zip(recordings, episodes, strict=True)
        if len(chosen)
        for latents in encode(tokenizer, dataset, chosen, count)
    ]
    tokenizer.fit_statistics(torch.cat(parts))


def _spread(dataset: Recordings, chosen: np.ndarray, count: int) -> np.ndarray:
    """At most ``count`` frames of the chosen episodes, evenly spread over them."""
    every = np.concatenate([np.arange(dataset.starts[e], dataset.starts[e + 1]) for e in chosen])
    return np.unique(every[np.linspace(0, len(every) - 1, min(count, len(every))).astype(int)])


def _encode_frames(tokenizer: FrameTokenizer, dataset: Recordings, chosen: np.ndarray, count: int) -> list[Tensor]:
    index, parts = _spread(dataset, chosen, count), []
    for part in np.array_split(index, -(-len(index) // 128)):
        pixels = torch.from_numpy(dataset.frames[part]).permute(0, 3, 1, 2).float() / 255.0
        parts.append(tokenizer.bottleneck(pixels))
    return parts


def _encode_clips(tokenizer: FrameTokenizer, dataset: Recordings, chosen: np.ndarray, count: int) -> list[Tensor]:
    length, parts = 1 + CLIP_LATENTS * tokenizer.frames_per_latent, []
    for frame in _spread(dataset, chosen, max(1, count // length)):
        episode = np.searchsorted(dataset.starts, frame, side="right") - 1
        begin, end = dataset.starts[episode : episode + 2].tolist()
        first = max(begin, min(int(frame), end - length))
        last = first + fitting(min(length, end - first), tokenizer.frames_per_latent)
        normalised = tokenizer.encode_clips(torch.from_numpy(dataset.frames[first:last])[None])
        latents = normalised * tokenizer.latent_std + tokenizer.latent_mean
        parts.append(rearrange(latents, "1 t h w c -> t c h w"))
    return parts
