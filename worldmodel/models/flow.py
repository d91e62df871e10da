"""Flow matching between noise and data, with one convention: flow time 0 is noise, 1 is data.

Pure functions on tensors; they know nothing of networks, frames or actions.
Sources: Lipman et al. 2022, "Flow matching for generative modeling", equation 20 (straight paths);
Chen et al. 2024, "Diffusion forcing" (a time of its own for every frame).
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor


def interpolate(
    noise: Float[Tensor, "*shape"], data: Float[Tensor, "*shape"], time: Float[Tensor, "*lead"]
) -> Float[Tensor, "*shape"]:
    """Point at flow ``time`` on the straight path from noise to data: (1 - time) noise + time data."""
    time = time.reshape(*time.shape, *[1] * (data.ndim - time.ndim))
    return (1.0 - time) * noise + time * data


def euler_step(
    x: Float[Tensor, "*shape"], estimate: Float[Tensor, "*shape"], time: float, next_time: float
) -> Float[Tensor, "*shape"]:
    """Moves x from ``time`` to ``next_time`` (both in [0, 1]) along the velocity of the clean estimate.

    The velocity of the straight path through x is (estimate - x) / (1 - time); a step to 1 lands on the estimate.
    """
    return x + (estimate - x) * ((next_time - time) / (1.0 - time))


def time_schedule(steps: int) -> list[float]:
    """``steps + 1`` flow times from 0 to 1, evenly spaced.

    Raises:
        ValueError: fewer than one step.
    """
    if steps < 1:
        raise ValueError(f"sampling steps: found {steps}, wanted at least 1")
    return [index / steps for index in range(steps + 1)]


def denoise(
    x: Float[Tensor, "*shape"], estimate: Callable[[Tensor, float], Tensor], steps: int
) -> Float[Tensor, "*shape"]:
    """Takes noise to data in Euler steps; ``estimate`` guesses the data from a point of the path and its flow time."""
    for now, then in pairwise(time_schedule(steps)):
        x = euler_step(x, estimate(x, now), now, then)
    return x


def sample_times(shape: tuple[int, ...], noise_share: float, generator: torch.Generator | None = None) -> Tensor:
    """Random flow times: pure noise with probability ``noise_share``, else uniform on [0, 1)."""
    times = torch.rand(shape, generator=generator)
    return torch.where(torch.rand(shape, generator=generator) < noise_share, 0.0, times)


def around(
    noisy: Float[Tensor, "*shape"], prior: Float[Tensor, "*shape"], time: Float[Tensor, "*lead"], variance: float
) -> Float[Tensor, "*shape"]:
    """Best guess of the data before looking: mean of data ~ N(prior, variance) given its noisy version at ``time``.

    At time 0 it is the prior (the previous frame), at time 1 the noisy version itself; the network adds a correction,
    so that an untrained model copies the last frame.
    Source: conditioning a Gaussian; the role of c_skip in Karras et al. 2022, "EDM", equation 7.
    """
    time = time.reshape(*time.shape, *[1] * (noisy.ndim - time.ndim))
    gain = time * variance / (time.square() * variance + (1.0 - time).square() + 1e-8)
    return prior + gain * (noisy - time * prior)
