"""Teaches a backbone to take large denoising steps: one of size d is to land where two of half its size do.

The network is told the size of the step (0: an ordinary, infinitely small one). Source: Frans et al. 2024, "One step
diffusion via shortcut models", equation 5; in the space of data as in Hafner et al. 2025, "Training agents inside of
scalable world models" (Dreamer 4), equation 7.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from worldmodel.models.backbone import Backbone, Inputs
from worldmodel.models.prediction import predict

SIZES = (1.0, 0.5, 0.25)
# Half of the smallest one is taken as an ordinary step, so that eight of these are the teacher.
ORDINARY = 0.125


def step_size(steps: int) -> float:
    """What to tell a distilled network that takes so many equal steps: their size, or 0 if it never saw that size."""
    return 1.0 / steps if 1.0 / steps in SIZES else 0.0


def sample_steps(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Random sizes of steps, and random flow times from which a whole number of them leads to 1."""
    size = torch.tensor(SIZES)[torch.randint(len(SIZES), shape)]
    return size, (torch.rand(shape) / size).floor() * size


@torch.no_grad()
def shortcut_target(
    teacher: Backbone, inputs: Inputs, data: Float[Tensor, "b t h w c"], skip_variance: float
) -> Float[Tensor, "b t h w c"]:
    """Where a step of ``inputs.step_size`` aims: at what two half steps of the teacher come to; others at the data."""
    size = inputs.step_size
    assert size is not None
    half, x, now = size / 2, inputs.latents, inputs.clock
    told = torch.where(half > ORDINARY, half, 0.0)

    def move(x: Tensor, now: Tensor) -> Tensor:
        guess = predict(teacher, replace(inputs, latents=x, clock=now, step_size=told), skip_variance).latents
        share = (half / (1.0 - now).clamp_min(1e-6))[..., None, None, None]
        return x + (guess - x) * share

    end = move(move(x, now), torch.where(size > 0, now + half, now))
    # The straight line through both ends, followed to flow time 1.
    whole = ((1.0 - now) / size.clamp_min(1e-6))[..., None, None, None]
    return torch.where((size > 0)[..., None, None, None], x + (end - x) * whole, data)
