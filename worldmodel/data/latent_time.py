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
from rich.progress import track

from worldmodel.data.action_groups import group_actions, group_body
from worldmodel.data.cache import Recordings, encode_recordings, weights_key
from worldmodel.models.frame_tokenizer import FrameTokenizer, fitting
from worldmodel.output import whole_file


def in_latent_time(recordings: Recordings, tokenizer: FrameTokenizer, folder: Path) -> Recordings:
    """Encodes recordings, or finds that done, and counts all that belongs to them in latents.

    Args:
        recordings: with one frame per latent they are encoded in place and returned.
        tokenizer: encodes every episode as one clip.
        folder: of the cache.
    """
    if tokenizer.frames_per_latent == 1:
        encode_recordings(recordings, tokenizer, folder)
        return recordings
    source = Path(recordings.frames.file.filename).stem
    path = folder / f"{source}-{weights_key(tokenizer)}.latents.hdf5"
    if not path.exists():
        latents = _encode_episodes(recordings, tokenizer)
        with whole_file(path) as partial, h5py.File(partial, "w") as file:
            file["latents"] = latents
    with h5py.File(path, "r") as file:
        return regroup(recordings, np.asarray(file["latents"]), tokenizer.frames_per_latent)


@torch.no_grad()
def _encode_episodes(recordings: Recordings, tokenizer: FrameTokenizer) -> np.ndarray:
    """Latents (float16) of all episodes end to end."""
    parts = []
    for start, end in track(list(pairwise(recordings.starts.tolist())), description=f"encoding {recordings.name}"):
        if count := fitting(end - start, tokenizer.frames_per_latent):
            clip = torch.from_numpy(recordings.frames[start : start + count])
            parts.append(tokenizer.encode_clips(clip[None])[0].half().numpy())
    return np.concatenate(parts)


def regroup(recordings: Recordings, latents: np.ndarray, frames_per_latent: int) -> Recordings:
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
