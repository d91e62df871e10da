"""Rolling the backbone out frame by frame, and reading actions off frames. Latents and normalised actions only.

Every dream of a batch has a noise of its own, from its own seed, and may start anew while others go on: what one dreams
does not depend on who else is in the batch.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from worldmodel.models.backbone import Backbone, Inputs
from worldmodel.models.flow import around, denoise, euler_step, time_schedule
from worldmodel.models.incremental import IncrementalBackbone
from worldmodel.models.layer_pass import RunLayers, run_layers
from worldmodel.models.prediction import stack_history
from worldmodel.models.shortcut import step_size

MEMORY = 16
"""Frames from which a dream takes what stays, or what comes back: behind a pointer that went on, in a closed menu."""


class Rollout:
    """A batch of dreams: first ``observe`` real frames, then ``dream`` further ones.

    Args:
        backbone: the network.
        embodiment: who acts in each dream.
        skip_variance: see `predict`.
        seeds: of the noise of each dream.
        run: see `worldmodel.models.engine`.
        words: of the instruction of each dream (`worldmodel.data.words`); None: there is none.
        still_change: cells of latents that differ less (mean square) from what one of the last `MEMORY` frames shows
            there are taken from it as they are; 0: all are dreamed.
        noise_scale: of the noise that frames are dreamed from (that of actions stays); 0: every seed dreams the same.
        refresh: once memory has lost its first frame, it begins anew from the last so many. A model that learnt from
            windows no longer than its memory never lost one, and answers less from then on (docs/screens.md).
            0: memory slides.

    Attributes:
        seen: (b,) frames that each dream consists of up to now.
        readout: reward and logit of success of the action that led to the last frame, then the state there, normalised,
            where the model reads it.
    """

    def __init__(
        self,
        backbone: Backbone,
        embodiment: Int64[Tensor, "b"],
        skip_variance: float,
        seeds: Sequence[int],
        run: RunLayers = run_layers,
        words: Int64[Tensor, "b words"] | None = None,
        still_change: float = 0.0,
        noise_scale: float = 1.0,
        refresh: int = 0,
    ) -> None:
        self.backbone, self.embodiment, self.skip_variance = backbone, embodiment, skip_variance
        self.still_change, self.noise_scale, self.refresh = still_change, noise_scale, refresh
        self.network, self.words = IncrementalBackbone(backbone, embodiment, run), words
        self.generators = [torch.Generator(embodiment.device).manual_seed(seed) for seed in seeds]
        self.seen = torch.zeros_like(embodiment)
        self.past: Tensor | None = None  # newest first
        self.led = embodiment.new_zeros(len(embodiment), refresh, backbone.action_size, dtype=torch.float32)  # likewise
        self.led_known = embodiment.new_zeros(len(embodiment), refresh, dtype=torch.bool)
        self.readout: Float[Tensor, "b told"] | None = None

    def observe(self, latents: Float[Tensor, "b t h w c"], actions: Float[Tensor, "b t a"] | None = None) -> None:
        """Takes frames as they are; ``actions[:, t]`` led to frame t (None: unknown)."""
        if self.past is None:
            outputs = self.network.fill(clean_inputs(self.backbone, latents, actions, self.embodiment, self.words))
            self.readout = outputs.readout[:, -1]
            self._push(latents, actions)
            return
        for t in range(latents.shape[1]):
            self._renew()
            frame, action = latents[:, t], None if actions is None else actions[:, t]
            self._finish(self.network.prepare(self._inputs(frame, action)), frame, action)

    def restart(
        self,
        rows: Int64[Tensor, "k"],
        latents: Float[Tensor, "k t h w c"],
        actions: Float[Tensor, "k t a"] | None,
        seeds: Sequence[int],
        words: Int64[Tensor, "k words"] | None = None,
    ) -> None:
        """Lets some dreams begin anew from other frames (and with other instructions); the others do not notice."""
        assert self.past is not None, "observe at least one frame first"
        assert self.readout is not None
        if words is not None:
            assert self.words is not None, "began without instructions"
            self.words[rows] = words
        own = None if self.words is None else self.words[rows]
        settings = self.skip_variance, seeds, self.network.run, own, self.still_change, self.noise_scale, self.refresh
        other = Rollout(self.backbone, self.embodiment[rows], *settings)
        other.observe(latents, actions)
        assert other.past is not None
        assert other.readout is not None
        self.network.assign(rows, other.network)
        self.past[rows], self.readout[rows], self.seen[rows] = other.past, other.readout, other.seen
        self.led[rows], self.led_known[rows] = other.led, other.led_known
        for row, generator in zip(rows.tolist(), other.generators, strict=True):
            self.generators[row] = generator

    def dream(self, action: Float[Tensor, "b a"] | None, steps: int) -> Float[Tensor, "b h w c"]:
        """Dreams the next frame in ``steps`` Euler steps, given the action that leads to it (None: unknown)."""
        assert self.past is not None, "observe at least one frame first"
        self._renew()
        noise = self.noise_scale * self._noise(self.past.shape[2:])
        tokens = self.network.prepare(self._inputs(noise, action))

        size = step_size(steps)

        def estimate(frame: Tensor, time: float) -> Tensor:
            return self.network.denoise(tokens, frame, time, size) + self._guess(frame, time)

        frame = self._settle(denoise(noise, estimate, steps))
        self._finish(tokens, frame, action)
        return frame

    def dream_jointly(self, steps: int) -> tuple[Float[Tensor, "b h w c"], Float[Tensor, "b a"]]:
        """Dreams the next frame together with the action that leads to it."""
        assert self.past is not None, "observe at least one frame first"
        self._renew()
        frame = self.noise_scale * self._noise(self.past.shape[2:])
        action = self._noise((self.backbone.action_size,))
        for now, then in pairwise(time_schedule(steps)):
            inputs = self._inputs(frame, action)
            inputs.action_clock = torch.full_like(inputs.action_clock, now)
            outputs = self.network.denoise_jointly(inputs, now)
            guess = outputs.latents.squeeze(1) + self._guess(frame, now)
            frame = euler_step(frame, guess, now, then)
            action = euler_step(action, outputs.actions.squeeze(1), now, then)
        frame = self._settle(frame)
        self._finish(self.network.prepare(self._inputs(frame, action)), frame, action)
        return frame, action

    def _settle(self, frame: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h w c"]:
        """Takes cells that hardly differ from what was there before from there, so that nothing blurs with time."""
        if not self.still_change:
            return frame
        assert self.past is not None
        changes = (frame.unsqueeze(1) - self.past).square().mean(-1)
        ages = torch.arange(self.past.shape[1], device=frame.device)
        unseen = ages >= self.seen[:, None]
        least, nearest = changes.masked_fill(unseen[..., None, None], torch.inf).min(1, keepdim=True)
        before = self.past.take_along_dim(nearest.unsqueeze(-1), 1).squeeze(1)
        return torch.where(least.squeeze(1).unsqueeze(-1) < self.still_change, before, frame)

    def _renew(self) -> None:
        """Lets memories that have lost a frame begin anew, see ``refresh``."""
        if not self.refresh:
            return
        rows = (self.network.frames > self.network.window).nonzero().squeeze(1)
        if not len(rows):
            return
        assert self.past is not None
        recent, words = self.past[rows, : self.refresh].flip(1), None if self.words is None else self.words[rows]
        inputs = clean_inputs(self.backbone, recent, self.led[rows].flip(1), self.embodiment[rows], words)
        inputs.action_known = inputs.action_known & self.led_known[rows].flip(1)
        other = self.network.fresh(rows)
        other.fill(inputs)
        self.network.assign(rows, other)

    def _finish(self, tokens: Tensor, frame: Tensor, action: Tensor | None) -> None:
        self.readout = self.network.remember(tokens, frame)
        self._push(frame.unsqueeze(1), None if action is None else action.unsqueeze(1))

    def _push(self, latents: Float[Tensor, "b t h w c"], actions: Float[Tensor, "b t a"] | None) -> None:
        """Notes frames, and the actions that led to them."""
        kept = max(self.backbone.config.history, MEMORY if self.still_change else 1, self.refresh)
        if self.past is None:
            self.past = torch.zeros_like(latents[:, :1]).repeat(1, kept, 1, 1, 1)
        self.past = torch.cat([latents.flip(1), self.past], 1)[:, :kept]
        self.seen = self.seen + latents.shape[1]
        known = torch.full(latents.shape[:2], actions is not None, device=latents.device)
        if actions is None:
            actions = latents.new_zeros(*latents.shape[:2], self.backbone.action_size)
        self.led = torch.cat([actions.flip(1), self.led], 1)[:, : self.refresh]
        self.led_known = torch.cat([known, self.led_known], 1)[:, : self.refresh]

    def _noise(self, shape: Sequence[int]) -> Tensor:
        return torch.stack([torch.randn(*shape, generator=g, device=g.device) for g in self.generators])

    def _guess(self, frame: Tensor, time: float) -> Tensor:
        """What the network's latents are a correction of, see `predict`."""
        if self.skip_variance <= 0 or not self.backbone.config.history:
            return torch.zeros(())
        assert self.past is not None
        return around(frame, self.past[:, 0], torch.tensor(time, device=frame.device), self.skip_variance)

    def _inputs(self, frame: Tensor, action: Tensor | None) -> Inputs:
        """A single frame that follows the past ones."""
        assert self.past is not None
        b, history, device = len(frame), self.backbone.config.history, frame.device
        ones = torch.ones(b, 1, device=device)
        known = torch.full((b, 1), action is not None, device=device)
        if action is None:
            action = torch.zeros(b, self.backbone.action_size, device=device)
        seen = (torch.arange(history, device=device) < self.network.frames[:, None]).float().unsqueeze(1)
        past = torch.cat([self.past[:, age] for age in range(history)], -1) if history else frame[..., :0]
        given = action[:, None], ones, known, self.embodiment
        return Inputs(frame[:, None], past[:, None], seen, ones, *given, words=self.words)


def clean_inputs(
    backbone: Backbone, latents: Tensor, actions: Tensor | None, embodiment: Tensor, words: Tensor | None = None
) -> Inputs:
    """Inputs of clean frames with the actions that led to them (None: unknown); to the first one none led."""
    b, t = latents.shape[:2]
    history, mask = stack_history(latents, backbone.config.history)
    ones = torch.ones(b, t, device=latents.device)
    known = torch.zeros(b, t, dtype=torch.bool, device=latents.device)
    if actions is None:
        actions = torch.zeros(b, t, backbone.action_size, device=latents.device)
    else:
        known[:, 1:] = True
    return Inputs(latents, history, mask, ones, actions, ones, known, embodiment, words=words)


def infer_actions(
    backbone: Backbone, latents: Float[Tensor, "b t h w c"], embodiment: Int64[Tensor, "b"], steps: int, seed: int = 0
) -> Float[Tensor, "b t a"]:
    """Inverse dynamics: the actions that led to each frame (the first entry is meaningless).

    Windows longer than the backbone's own are read with the same sliding window as in training.
    """
    generator = torch.Generator(device=latents.device).manual_seed(seed)
    shape = (*latents.shape[:2], backbone.action_size)
    noise = torch.randn(shape, generator=generator, device=latents.device)
    inputs = clean_inputs(backbone, latents, noise, embodiment)

    def estimate(actions: Tensor, now: float) -> Tensor:
        inputs.actions, inputs.action_clock = actions, torch.full(shape[:2], now, device=latents.device)
        return backbone(inputs, acting=True).actions

    return denoise(noise, estimate, steps)
