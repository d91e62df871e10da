"""Rolling the backbone out: frames by frames with a cache of keys and values, actions by denoising them.

The cache is written in a pass of its own on the finished frame, never from a noisy step, so that it equals
recomputing all frames at once. This file knows latents and normalised actions only.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from worldmodel.models.backbone import Backbone, Inputs, Outputs
from worldmodel.models.flow import euler_step, time_schedule
from worldmodel.models.objective import predict, stack_history


class Rollout:
    """One batch of dreams: first ``observe`` real frames, then ``dream`` further ones, or ask for actions.

    Attributes:
        readout: reward and logit of success of the action that led to the last frame.
    """

    def __init__(self, backbone: Backbone, embodiment: Int64[Tensor, "b"], skip_variance: float, seed: int = 0) -> None:
        self.backbone, self.embodiment, self.skip_variance = backbone, embodiment, skip_variance
        self.generator = torch.Generator(device=embodiment.device).manual_seed(seed)
        self.cache = backbone.cache()
        self.past: Tensor | None = None
        self.readout: Float[Tensor, "b 2"] | None = None

    def observe(self, latents: Float[Tensor, "b t h w c"], actions: Float[Tensor, "b t a"] | None = None) -> Outputs:
        """Takes frames as they are; ``actions[:, t]`` led to frame t (None: unknown)."""
        outputs = self._run(self._clean(latents, actions), keep=True)
        kept = max(self.backbone.config.history, 1)
        self.past = (latents if self.past is None else torch.cat([self.past, latents], 1))[:, -kept:]
        self.readout = outputs.readout[:, -1]
        return outputs

    def dream(self, action: Float[Tensor, "b a"] | None, steps: int) -> Float[Tensor, "b h w c"]:
        """Dreams the next frame in ``steps`` Euler steps, given the action that leads to it (None: unknown)."""
        assert self.past is not None, "observe at least one frame first"
        actions = None if action is None else action.unsqueeze(1)
        frame = self._noise(self.past[:, -1:].shape)
        for now, then in _pairs(steps):
            clock = torch.full(frame.shape[:2], now, device=frame.device)
            inputs = self._clean(frame, actions).with_latents(frame, clock)
            frame = euler_step(frame, self._run(inputs).latents, now, then)
        self.observe(frame, actions)
        return frame.squeeze(1)

    def dream_jointly(self, steps: int) -> tuple[Float[Tensor, "b h w c"], Float[Tensor, "b a"]]:
        """Dreams the next frame together with the action that leads to it."""
        assert self.past is not None, "observe at least one frame first"
        frame = self._noise(self.past[:, -1:].shape)
        actions = self._noise((frame.shape[0], 1, self.backbone.action_size))
        for now, then in _pairs(steps):
            clock = torch.full(frame.shape[:2], now, device=frame.device)
            inputs = self._clean(frame, actions).with_latents(frame, clock)
            inputs.action_clock = clock
            outputs = self._run(inputs)
            frame = euler_step(frame, outputs.latents, now, then)
            actions = euler_step(actions, outputs.actions, now, then)
        self.observe(frame, actions)
        return frame.squeeze(1), actions.squeeze(1)

    def _noise(self, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=self.generator, device=self.embodiment.device)

    def _run(self, inputs: Inputs, *, keep: bool = False) -> Outputs:
        return predict(self.backbone, inputs, self.skip_variance, self.cache, keep=keep)

    def _clean(self, latents: Tensor, actions: Tensor | None) -> Inputs:
        """Inputs of clean frames that follow ``past``."""
        return clean_inputs(self.backbone, latents, actions, self.embodiment, self.past, self.cache.frames)


def clean_inputs(
    backbone: Backbone,
    latents: Tensor,
    actions: Tensor | None,
    embodiment: Tensor,
    past: Tensor | None = None,
    first: int = 0,
) -> Inputs:
    """Inputs of clean frames with actions that led to them (None: unknown), continuing ``past`` frames.

    ``first`` is the number of the first frame; to frame 0 no action led.
    """
    b, t = latents.shape[:2]
    count = 0 if past is None else past.shape[1]
    history, mask = stack_history(latents if past is None else torch.cat([past, latents], 1), backbone.config.history)
    ones = torch.ones(b, t, device=latents.device)
    known = torch.zeros(b, t, dtype=torch.bool, device=latents.device)
    if actions is None:
        actions = torch.zeros(b, t, backbone.action_size, device=latents.device)
    else:
        known = (torch.arange(first, first + t, device=latents.device) > 0).expand(b, t)
    return Inputs(latents, history[:, count:], mask[:, count:], ones, actions, ones, known, embodiment)


def _pairs(steps: int) -> list[tuple[float, float]]:
    times = time_schedule(steps)
    return list(pairwise(times))


def infer_actions(
    backbone: Backbone, latents: Float[Tensor, "b t h w c"], embodiment: Int64[Tensor, "b"], steps: int, seed: int = 0
) -> Float[Tensor, "b t a"]:
    """Inverse dynamics: the actions that led to each frame (the first entry is meaningless).

    Windows longer than the backbone's own are read with the same sliding window as in training.
    """
    generator = torch.Generator(device=latents.device).manual_seed(seed)
    shape = (*latents.shape[:2], backbone.action_size)
    actions = torch.randn(shape, generator=generator, device=latents.device)
    inputs = clean_inputs(backbone, latents, actions, embodiment)

    def estimate(actions: Tensor, now: float) -> Tensor:
        inputs.actions, inputs.action_clock = actions, torch.full(shape[:2], now, device=latents.device)
        return backbone(inputs, acting=True).actions

    return _denoise(actions, estimate, steps)


def act(
    backbone: Backbone,
    latents: Float[Tensor, "b t h w c"],
    state: Float[Tensor, "b s"] | None,
    embodiment: Int64[Tensor, "b"],
    steps: int,
    generator: torch.Generator,
) -> Float[Tensor, "b k a"]:
    """Policy: a chunk of actions after the last frame; no token of a future frame exists."""
    b, k = len(latents), backbone.config.chunk
    past = latents[:, :-1]
    cache = backbone.cache()
    if past.shape[1]:
        backbone(clean_inputs(backbone, past, None, embodiment), cache, keep=True, acting=True)
    inputs = clean_inputs(
        backbone,
        latents[:, -1:],
        None,
        embodiment,
        past[:, -backbone.config.history :] if past.shape[1] else None,
        past.shape[1],
    )
    if state is not None:
        inputs.state, inputs.state_known = state.unsqueeze(1), torch.ones(b, 1, dtype=torch.bool, device=state.device)

    def estimate(chunk: Tensor, now: float) -> Tensor:
        inputs.chunk, inputs.chunk_clock = chunk[:, None, None], torch.full((b, 1, 1), now, device=chunk.device)
        chunk_estimate = backbone(inputs, cache, acting=True).chunk
        assert chunk_estimate is not None
        return chunk_estimate[:, 0, 0]

    noise = torch.randn(b, k, backbone.action_size, generator=generator, device=latents.device)
    return _denoise(noise, estimate, steps)


def _denoise(x: Tensor, estimate: Callable[[Tensor, float], Tensor], steps: int) -> Tensor:
    for now, then in _pairs(steps):
        x = euler_step(x, estimate(x, now), now, then)
    return x
