"""Actions for latents that span several frames, as those of a tokenizer that compresses time."""

import numpy as np
from jaxtyping import Bool, Float32


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
