"""Actions for latents that span several frames, as those of a tokenizer that compresses time.

A model of such latents takes n actions in a row, end to end, for one action of a body that acts n times more slowly.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float32

from worldmodel.types import ActionSpec, EmbodimentSpec


def group_actions(
    actions: Float32[np.ndarray, "t a"], mask: Bool[np.ndarray, "t"], frames_per_latent: int
) -> tuple[Float32[np.ndarray, "tl g"], Bool[np.ndarray, "tl"]]:
    """Joins the actions between one latent and the next, so that the alignment rule holds for latents too.

    With n frames per latent, the first frame alone, latent 0 shows frame 0 and latent j frames n (j - 1) + 1 to n j.
    Hence ``grouped[j]``, which is ``actions[n j]`` to ``actions[n j + n - 1]`` end to end, is taken after latent j and
    leads to latent j + 1. A group is known where all of its actions are; the last one, of an episode of 1 + k n frames,
    would reach past the end: it is filled up with zeros and unknown.

    Args:
        actions: ``actions[t]`` is taken after seeing frame t.
        mask: True where the action is known.
        frames_per_latent: n; 1 changes nothing.

    Returns:
        Groups of n a values, ceil(t / n) of them, and where they are known.
    """
    missing = -len(actions) % frames_per_latent
    filled = np.pad(actions, ((0, missing), (0, 0)))
    known = np.pad(mask, (0, missing))
    groups = len(filled) // frames_per_latent
    grouped = filled.reshape(groups, frames_per_latent * actions.shape[1])
    return grouped, np.all(known.reshape(groups, frames_per_latent), axis=1)


def join_actions(actions: Float32[np.ndarray, "b k a"], frames_per_latent: int) -> Float32[np.ndarray, "b kl g"]:
    """Joins actions that lead on from the last frame of a latent: n of them, end to end, lead to the next latent.

    The last group is filled up by repeating the last action; the frames that this would lead to are of no interest.

    Args:
        actions: what is done one after the other.
        frames_per_latent: n; 1 changes nothing.

    Returns:
        Groups of n a values, ceil(k / n) of them.
    """
    b, k, a = actions.shape
    if missing := -k % frames_per_latent:
        actions = np.pad(actions, ((0, 0), (0, missing), (0, 0)), mode="edge")
    return actions.reshape(b, (k + missing) // frames_per_latent, frames_per_latent * a)


def split_actions(grouped: Float32[np.ndarray, "b kl g"], frames_per_latent: int) -> Float32[np.ndarray, "b k a"]:
    """Undoes `join_actions`: n kl actions of g / n values."""
    b, groups, size = grouped.shape
    return grouped.reshape(b, groups * frames_per_latent, size // frames_per_latent)


def group_body(body: EmbodimentSpec, frames_per_latent: int) -> EmbodimentSpec:
    """The body as a model of latents sees it: n of its actions in a row are one, at an n-th of its rate.

    Every one of them keeps its limits and its places in the picture. With n = 1 it is the body itself.
    """
    if frames_per_latent == 1:
        return body
    size, steps = body.action.normalised_size, range(frames_per_latent)
    dims = tuple(replace(dim, name=f"{dim.name} {step}") for step in steps for dim in body.action.dims)
    points = tuple((x + step * size, y + step * size) for step in steps for x, y in body.action.points)
    return replace(body, action=ActionSpec(dims, points), fps=body.fps / frames_per_latent)
