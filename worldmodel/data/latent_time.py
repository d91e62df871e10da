"""Recordings counted in latents instead of frames, for a tokenizer that takes n frames per latent.

Latent 0 of an episode shows frame 0, latent j frames n (j - 1) + 1 to n j. What is left at the end, fewer than n
frames, is not used. `worldmodel.data.action_groups` aligns actions with latents.
"""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import torch

from worldmodel.data.action_groups import group_actions, group_body
from worldmodel.data.cache import Recordings, encode_recordings, origin, weights_key
from worldmodel.data.disk_array import DiskArray, Rows, open_arrays
from worldmodel.data.parts import Arrays, Parts, build
from worldmodel.models.frame_tokenizer import FrameTokenizer, fitting
from worldmodel.types import InputError


def in_latent_time(recordings: Recordings, tokenizer: FrameTokenizer, folder: Path) -> Recordings:
    """Encodes recordings, or finds that done, and counts all that belongs to them in latents.

    Args:
        recordings: with one frame per latent they are encoded in place and returned.
        tokenizer: encodes every episode as one clip.
        folder: of the cache.

    Raises:
        InputError: the frames are not in a cache.
    """
    if tokenizer.frames_per_latent == 1:
        encode_recordings(recordings, tokenizer, folder)
        return recordings
    frames, n = recordings.frames, tokenizer.frames_per_latent
    if not isinstance(frames, DiskArray):
        raise InputError(f"{recordings.name}: frames are in memory, wanted those of a cache")
    path = folder / f"{frames.path.stem}-{weights_key(tokenizer)}.latents.hdf5"

    @torch.no_grad()
    def encode(index: int) -> Arrays:
        start, end = recordings.starts[index : index + 2].tolist()
        clip = torch.from_numpy(frames[start : start + fitting(end - start, n)])
        return {"latents": tokenizer.encode_clips(clip[None])[0].half().cpu().numpy()} if len(clip) else {}

    def join(parts: Parts, file: h5py.File) -> None:
        file["latents"] = np.concatenate([part["latents"] for part in parts if "latents" in part])

    description = f"encoding {recordings.name}"
    source = origin(frames.path) or ""
    build(path, recordings.episodes, encode, join, description=description, source=source, workers=1)
    return regroup(recordings, open_arrays(path)["latents"], n)


def regroup(recordings: Recordings, latents: Rows, frames_per_latent: int) -> Recordings:
    """Actions, state, reward and success of every latent.

    The state is that of the last frame that a latent shows. The reward of a group of actions is their sum, unknown
    where one is; it succeeded where one of its actions did, else its success is unknown where one is.

    Args:
        recordings: counted in frames.
        latents: of all episodes end to end.
        frames_per_latent: n.

    Returns:
        Recordings of the body `group_body` with the same episodes; their ``frames`` are still counted one by one.
    """
    n = frames_per_latent
    starts, actions, masks, states, rewards, successes = [0], [], [], [], [], []
    for start, end in pairwise(recordings.starts.tolist()):
        count = fitting(end - start, n)
        starts.append(starts[-1] + -(-count // n))
        if not count:
            continue
        rows = slice(start, start + count)
        grouped, known = group_actions(recordings.actions[rows], recordings.action_mask[rows], n)
        actions.append(grouped)
        masks.append(known)
        rewards.append(_rows(recordings.reward[rows], n).sum(1))
        success = _rows(recordings.success[rows], n)
        successes.append(np.where((success == 1).any(1), 1.0, np.where(np.isnan(success).any(1), np.nan, 0.0)))
        if recordings.state is not None:
            states.append(recordings.state[rows][::n])
    return replace(
        recordings,
        spec=group_body(recordings.spec, n),
        starts=np.array(starts),
        actions=np.concatenate(actions),
        action_mask=np.concatenate(masks),
        state=np.concatenate(states) if states else None,
        reward=np.concatenate(rewards).astype(np.float32),
        success=np.concatenate(successes).astype(np.float32),
        latents=latents,
    )


def _rows(values: np.ndarray, frames_per_latent: int) -> np.ndarray:
    """One row per group of actions; what is beyond the end is unknown."""
    missing = -len(values) % frames_per_latent
    return np.pad(values, (0, missing), constant_values=np.nan).reshape(-1, frames_per_latent)
