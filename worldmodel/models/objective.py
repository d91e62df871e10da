"""What the backbone is trained on: two kinds of batches that cover the five modes.

*Dream* batches have noisy frames; their actions are given (``forward_dynamics``), unknown (``video``) or noisy
themselves (``joint``), drawn per row. *Act* batches have clean frames; the actions that led to them are noisy
(``inverse_dynamics``) or unknown, and from every frame a chunk of future actions is denoised (``policy``), with no
latent token of any future frame.
Sources: Chen et al. 2024 "Diffusion forcing" (a clock per frame); Zhu et al. 2025 "Unified world models" (a second
clock for actions); Li & He 2025 "Back to basics" (predicting the data, not the velocity).
"""

from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from worldmodel.models.backbone import Backbone, Inputs
from worldmodel.models.changes import choose_tokens, token_changes
from worldmodel.models.flow import interpolate, sample_times
from worldmodel.models.prediction import predict, stack_history
from worldmodel.models.shortcut import sample_steps, shortcut_target
from worldmodel.types import Batch, InputError

CHANGED = 0.02  # mean squared change of a token
HISTORY_HIDDEN = 0.1  # share of frames without all of their past, as at the start of an episode
ALL = slice(None)


@dataclass(frozen=True)
class ObjectiveConfig:
    """How batches are noised and errors weighed.

    Attributes:
        video: share of dream rows whose actions are unknown.
        joint: share of dream rows whose actions are noisy and predicted along.
        noise_share: share of frames that start from pure noise; the others have uniform flow times.
        clean_share: share of frames left clean in dream batches, as they are when the cache is written.
        context_noise: largest noise on past frames, applied to half of the rows, so that rollouts survive their errors.
        own_history: share of dream rows with known actions whose past is the model's own one-step dream of it, so that
            it learns to go on from its errors (costs a second pass without gradient).
        changed_weight: weight of tokens that changed since the frame before, others have 1.
        skip_variance: assumed variance of a latent around its value in the frame before (0: no skip from it).
        action_weight: weight of action errors.
        readout_weight: weight of reward and success.
        state_share: share of act rows that see the state.
        inverse: share of act rows whose past actions are noisy and predicted; the others plan, past actions unknown.
        chunk_draws: noisy versions of the chunk that are denoised after every frame of one pass.
        text_hidden: share of rows whose instruction is hidden, so that the model does without one, too.
        shortcuts: share of dream rows that learn large denoising steps, when a model is distilled.
        kept: share of the tokens of pictures that dream rows look at and learn from: those that change in the window,
            and others by chance. Below 1 for screens, most of which stands still; which are kept also tells the
            network what is going to change (docs/screens.md).
    """

    video: float = 0.15
    joint: float = 0.15
    noise_share: float = 0.4
    clean_share: float = 0.15
    context_noise: float = 0.1
    own_history: float = 0.0
    changed_weight: float = 8.0
    skip_variance: float = 0.05
    action_weight: float = 1.0
    readout_weight: float = 0.1
    state_share: float = 0.7
    inverse: float = 0.25
    chunk_draws: int = 4
    text_hidden: float = 0.1
    shortcuts: float = 0.5
    kept: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 < self.kept <= 1.0:
            raise InputError(f"objective.kept: found {self.kept}, wanted a share above 0, at most 1")


@torch.no_grad()
def _own_context(backbone: Backbone, inputs: Inputs, context: Tensor, own: Tensor, config: ObjectiveConfig) -> Tensor:
    """Past frames, replaced in ``own`` rows by one-step dreams from the true past; the first frame stays.

    Source: the pushforward trick of Brandstetter et al. 2022, "Message passing neural PDE solvers", section 3.1.
    """
    clock = torch.zeros_like(inputs.clock)
    clock[:, 0] = 1.0
    first = (clock == 1.0)[..., None, None, None]
    noise = torch.where(first, context, torch.randn_like(context))
    size = None if inputs.step_size is None else 1.0 - clock
    dreamed = predict(
        backbone, replace(inputs, latents=noise, clock=clock, step_size=size), config.skip_variance
    ).latents
    return torch.where(own[..., None, None, None] & ~first, dreamed, context)


def _words(backbone: Backbone, batch: Batch, config: ObjectiveConfig) -> Tensor | None:
    """Instructions, hidden in some rows; None for a model that reads none."""
    if batch.words is None or not backbone.config.text_buckets:
        return None
    hidden = torch.rand(len(batch.words), 1, device=batch.words.device) < config.text_hidden
    return torch.where(hidden, 0, batch.words)


def _rows(b: int, t: int, share: float, device: torch.device) -> Tensor:
    """(b, t) bool: whole rows that are True with probability ``share``."""
    return (torch.rand(b, 1, device=device) < share).expand(b, t)


def _context(latents: Tensor, config: ObjectiveConfig) -> Tensor:
    """Slightly noised frames in half of the rows."""
    b, t = latents.shape[:2]
    level = torch.rand(b, t, device=latents.device) * config.context_noise
    level = torch.where(_rows(b, t, 0.5, latents.device), level, 0.0)
    return interpolate(torch.randn_like(latents), latents, 1.0 - level)


def _led_here(actions: Tensor, t: int) -> Tensor:
    """Shifts actions so that index t holds what led to frame t; nothing led to the first frame."""
    return F.pad(actions[:, : t - 1], (0, 0, 1, 0) if actions.ndim == 3 else (1, 0))


def change_weights(latents: Tensor, past: Tensor, changed_weight: float, patch: int) -> Tensor:
    """Per latent cell: ``changed_weight`` where its token differs from the frame before as it is shown, else 1."""
    changed = token_changes(latents[:, 1:], past[:, :-1], patch) > CHANGED
    return F.pad(1.0 + (changed_weight - 1.0) * changed, (0, 0, 0, 0, 1, 0))


@dataclass
class Dreams:
    """A dream batch: what the network sees, and what it is asked for."""

    inputs: Inputs
    shown: Bool[Tensor, "b t"]  # the action that led here is given
    invented: Bool[Tensor, "b t"]  # it is to be predicted


def _dreams(
    backbone: Backbone, batch: Batch, config: ObjectiveConfig, *, actions_known: bool, shortcuts: bool
) -> Dreams:
    z = batch.latents
    assert z is not None
    b, t = z.shape[:2]
    context = _context(z if batch.past is None else batch.past, config)
    history, history_mask = stack_history(context, backbone.config.history)
    clock = sample_times((b, t), config.noise_share).to(z.device)
    clean = torch.rand(b, t, device=z.device) < config.clean_share
    clean[:, 0] = True
    actions, known = _led_here(batch.actions, t), _led_here(batch.action_mask, t)
    noise = torch.randn_like(z)
    mode = torch.rand(b, 1, device=z.device)
    joint = (mode < config.joint).expand(b, t)
    shown = known & (mode >= config.joint + config.video).expand(b, t) & actions_known
    action_clock = torch.where(joint, sample_times((b, t), config.noise_share).to(z.device), 1.0)
    noisy_actions = torch.where(
        joint.unsqueeze(-1), interpolate(torch.randn_like(actions), actions, action_clock), actions
    )
    size = None
    if shortcuts:
        size, times = (x.to(z.device) for x in sample_steps((b, t)))
        size = torch.where(_rows(b, t, config.shortcuts, z.device) & ~joint & ~clean, size, 0.0)
        clock = torch.where(size > 0, times, clock)
    clock = torch.where(clean, 1.0, clock)
    noisy = torch.where(clean[..., None, None, None], context, interpolate(noise, z, clock))
    invented = joint & known & actions_known
    inputs = Inputs(
        noisy, history, history_mask, clock, noisy_actions, action_clock, shown | invented, batch.embodiment
    )
    inputs.step_size, inputs.words = size, _words(backbone, batch, config)
    if config.kept < 1.0:
        inputs.kept = choose_tokens(z, config.kept, backbone.config.patch, CHANGED)
    if config.own_history > 0 and actions_known and batch.past is None:
        given = (mode >= config.joint + config.video) & known[:, 1:].all(1, keepdim=True)
        own = _rows(b, t, config.own_history, z.device) & given
        context = _own_context(backbone, inputs, context, own, config)
        inputs.history, _ = stack_history(context, backbone.config.history)
    return Dreams(inputs, shown, invented)


def dream_loss(
    backbone: Backbone,
    batch: Batch,
    config: ObjectiveConfig,
    *,
    actions_known: bool = True,
    teacher: Backbone | None = None,
) -> dict[str, Tensor]:
    """Errors of frames, jointly dreamed actions and readout on one dream batch.

    Args:
        backbone: the network.
        batch: windows with latents.
        config: noise levels and weights.
        actions_known: False hides all actions (pretraining on video).
        teacher: where given, the network learns large denoising steps from its small ones (`shortcut_target`).
    """
    z = batch.latents
    assert z is not None
    dreams = _dreams(backbone, batch, config, actions_known=actions_known, shortcuts=teacher is not None)
    inputs = dreams.inputs
    outputs = predict(backbone, inputs, config.skip_variance)
    target = z if teacher is None else shortcut_target(teacher, inputs, z, config.skip_variance)
    weights = change_weights(z, z if batch.past is None else batch.past, config.changed_weight, backbone.config.patch)
    later = torch.arange(z.shape[1], device=z.device) > 0
    weights = weights * ((inputs.clock < 1.0) & later)[..., None, None]
    if inputs.kept is not None:
        weights = weights * backbone.cells_of(inputs.kept)[:, None]
    error = (outputs.latents - target).square().mean(-1)
    losses = {"frames": (error * weights).sum() / weights.sum().clamp_min(1e-6)}
    true = _led_here(batch.actions, z.shape[1])
    error = _action_error(backbone, outputs.actions, outputs.action_logits, true, batch.embodiment)
    losses["joint"] = _masked(error, dreams.invented)
    losses.update(_readout_loss(outputs.readout, batch, dreams.shown))
    if batch.state is not None and backbone.config.read_state:
        known = dreams.shown & ~batch.state.isnan().any(-1)
        error = outputs.readout[..., 2:] - batch.state.nan_to_num()
        losses["state"] = _masked(error.square().mean(-1), known)
    return losses


def act_loss(backbone: Backbone, batch: Batch, config: ObjectiveConfig) -> dict[str, Tensor]:
    """Errors of inferred actions, policy chunks and readout on one act batch (needs t + chunk - 1 actions).

    A model that acts without attention over time (``act_window`` 1) learns from the last frame of every window alone;
    the frames before it are only its history.
    """
    z = batch.latents
    assert z is not None
    b, t = z.shape[:2]
    alone = backbone.config.act_window == 1
    at = slice(t - 1 if alone else 0, t)
    context = _context(z, config)
    history, history_mask = (x[:, at] for x in stack_history(context, backbone.config.history))
    if alone:
        history, history_mask = hide_history(history, history_mask)
    actions, known = _led_here(batch.actions, t)[:, at], _led_here(batch.action_mask, t)[:, at]
    n = actions.shape[1]
    inverse = _rows(b, n, config.inverse, z.device) & known
    action_clock = sample_times((b, n), config.noise_share).to(z.device)
    chunk, chunk_mask = _chunks(batch, at, backbone.config.chunk, config.chunk_draws)
    chunk_clock = sample_times((b, n, config.chunk_draws), config.noise_share).to(z.device)
    state = _states(backbone, batch)[:, at]
    inputs = Inputs(
        latents=context[:, at],
        history=history,
        history_mask=history_mask,
        clock=torch.ones(b, n, device=z.device),
        actions=interpolate(torch.randn_like(actions), actions, action_clock),
        action_clock=action_clock,
        action_known=inverse,
        embodiment=batch.embodiment,
        state=state.nan_to_num(),
        state_known=_rows(b, n, config.state_share, z.device) & ~inverse & ~state.isnan().any(-1),
        chunk=interpolate(torch.randn_like(chunk), chunk, chunk_clock),
        chunk_clock=chunk_clock,
        words=_words(backbone, batch, config),
    )
    outputs = backbone(inputs, acting=True)
    assert outputs.chunk is not None
    error = partial(_action_error, backbone, body=batch.embodiment)
    planned = error(outputs.chunk, outputs.chunk_logits, chunk).mean(2)
    return {
        "inverse": _masked(error(outputs.actions, outputs.action_logits, actions), inverse),
        "policy": _masked(planned, chunk_mask & ~inverse[..., None]),
        **_readout_loss(outputs.readout, batch, known, at),
    }


def _states(backbone: Backbone, batch: Batch) -> Float[Tensor, "b t s"]:
    """States at all frames; NaN where they are not known."""
    z = batch.latents
    assert z is not None
    return (
        torch.full((*z.shape[:2], backbone.state_size), torch.nan, device=z.device)
        if batch.state is None
        else batch.state
    )


def _chunks(
    batch: Batch, at: slice, length: int, draws: int
) -> tuple[Float[Tensor, "b t r k a"], Bool[Tensor, "b t k"]]:
    """What is done after each of the frames ``at``, once for every draw, and what of it is to be imitated."""
    chunk = batch.actions.unfold(1, length, 1).permute(0, 1, 3, 2)[:, at, None].expand(-1, -1, draws, -1, -1)
    mask = batch.action_mask.unfold(1, length, 1)[:, at]
    return chunk, mask if batch.imitate is None else mask & batch.imitate[:, None, None]


def hide_history(
    history: Float[Tensor, "b t h w hc"], mask: Float[Tensor, "b t history"]
) -> tuple[Float[Tensor, "b t h w hc"], Float[Tensor, "b t history"]]:
    """Takes the oldest past frames, or all, from some rows."""
    count = mask.shape[-1]
    if not count:
        return history, mask
    fewer = torch.randint(count, mask.shape[:2], device=mask.device)
    seen = torch.where(torch.rand(mask.shape[:2], device=mask.device) < HISTORY_HIDDEN, fewer, count)
    mask = mask * (torch.arange(count, device=mask.device) < seen[..., None])
    return history * mask.repeat_interleave(history.shape[-1] // count, -1)[:, :, None, None], mask


def _action_error(
    backbone: Backbone, values: Tensor, logits: Tensor | None, true: Tensor, body: Tensor
) -> Float[Tensor, "*rows"]:
    if logits is None:
        return (values - true).square().mean(-1)
    return backbone.classes.error(values, logits, true, body)


def _masked(error: Tensor, mask: Tensor) -> Tensor:
    return (error * mask).sum() / mask.sum().clamp_min(1)


def _readout_loss(readout: Tensor, batch: Batch, shown: Tensor, at: slice = ALL) -> dict[str, Tensor]:
    """Squared error of reward and cross-entropy of success, where the action is shown and the truth is known.

    ``at`` are the frames of the window that were read.
    """
    losses = {}
    if batch.reward is not None:
        reward = F.pad(batch.reward[:, :-1], (1, 0), value=torch.nan)[:, at]
        known = shown & ~reward.isnan()
        losses["reward"] = _masked((readout[..., 0] - reward.nan_to_num()).square(), known)
    if batch.success is not None:
        success = F.pad(batch.success[:, :-1], (1, 0), value=torch.nan)[:, at]
        known = shown & ~success.isnan()
        bce = F.binary_cross_entropy_with_logits(readout[..., 1], success.nan_to_num(), reduction="none")
        losses["success"] = _masked(bce, known)
    return losses


def total(losses: dict[str, Tensor], config: ObjectiveConfig) -> Tensor:
    """Weighted sum of what ``dream_loss`` or ``act_loss`` returned."""
    weights = {"frames": 1.0, "reward": config.readout_weight, "success": config.readout_weight}
    return torch.stack([weights.get(name, config.action_weight) * loss for name, loss in losses.items()]).sum()
