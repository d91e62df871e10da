"""Pasts that the model dreamed itself, so that it learns to go on from what it really sees in a long rollout.

Without, the small errors of each frame add up: what nothing touches dissolves after some thirty frames.
Source: Huang et al. 2025, "Self forcing: bridging the train-test gap in autoregressive video diffusion", section 3.2;
the frames to come are those of the recording here, as in Ross et al. 2011 (DAgger).
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from worldmodel.models.backbone import Backbone
from worldmodel.models.sampling import Rollout
from worldmodel.types import Batch

MOST_REAL = 3  # frames that a dream begins with


@torch.no_grad()
def dreamed_past(
    backbone: Backbone, batch: Batch, skip_variance: float, *, still_change: float = 0.0, noise_scale: float = 1.0
) -> Float[Tensor, "b t h w c"]:
    """Latents of a batch, where rows whose actions are all known go on as a rollout in one step per frame.

    Dreamed in float32, as it will be, whatever the precision around; ``still_change`` and ``noise_scale`` are those of
    `Rollout`.
    """
    with torch.autocast(batch.actions.device.type, enabled=False):
        return _dreamed_past(backbone, batch, skip_variance, still_change, noise_scale)


def _dreamed_past(
    backbone: Backbone, batch: Batch, skip_variance: float, still_change: float, noise_scale: float
) -> Float[Tensor, "b t h w c"]:
    z = batch.latents
    assert z is not None
    t = z.shape[1]
    rows = batch.action_mask[:, : t - 1].all(1).nonzero().squeeze(1)
    if not len(rows):
        return z
    seeds = torch.randint(2**31, (len(rows),)).tolist()
    words = None if batch.words is None else batch.words[rows]
    rollout = Rollout(
        backbone,
        batch.embodiment[rows],
        skip_variance,
        seeds,
        words=words,
        still_change=still_change,
        noise_scale=noise_scale,
    )
    real = int(torch.randint(1, min(MOST_REAL, t - 1) + 1, ()))
    actions = torch.nn.functional.pad(batch.actions[rows, : t - 1], (0, 0, 1, 0))
    rollout.observe(z[rows, :real], actions[:, :real])
    result = z.clone()
    for frame in range(real, t):
        result[rows, frame] = rollout.dream(actions[:, frame], 1)
    return result


def part(batch: Batch, first: int, length: int) -> Batch:
    """Frames ``first`` to ``first + length`` of a batch with latents, and the actions that reach beyond them."""
    assert batch.latents is not None
    beyond = batch.actions.shape[1] - batch.latents.shape[1]
    frames, actions = slice(first, first + length), slice(first, first + length + beyond)

    def cut(values: Tensor | None) -> Tensor | None:
        return None if values is None else values[:, frames]

    return replace(
        batch,
        latents=batch.latents[:, frames],
        frames=cut(batch.frames),
        past=cut(batch.past),
        actions=batch.actions[:, actions],
        action_mask=batch.action_mask[:, actions],
        state=cut(batch.state),
        reward=cut(batch.reward),
        success=cut(batch.success),
    )
