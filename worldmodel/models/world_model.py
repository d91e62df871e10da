"""The world-action model as people use it: pictures and actions in their own units in, pictures and actions out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Float32, Shaped, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from worldmodel.models import sampling
from worldmodel.models.backbone import Backbone, BackboneConfig
from worldmodel.models.frame_tokenizer import check_size
from worldmodel.models.objective import ObjectiveConfig
from worldmodel.models.sampling import Rollout
from worldmodel.models.tokenizer import Tokenizer, TokenizerConfig
from worldmodel.types import EmbodimentSpec, InputError


@dataclass(frozen=True)
class WorldModelConfig:
    """Everything that decides the shape of the weights, and how they are sampled.

    Attributes:
        height: of the frames, in pixels.
        width: of the frames, in pixels.
        tokenizer: the autoencoder.
        backbone: the transformer.
        objective: noise levels and weights of training; its ``skip_variance`` also serves sampling.
        sampling_steps: Euler steps per dreamed frame unless told otherwise.
        action_steps: Euler steps per action chunk or inferred action.
    """

    height: int = 64
    width: int = 64
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    sampling_steps: int = 4
    action_steps: int = 8

    def __post_init__(self) -> None:
        check_size(self.height, self.width)
        cells = self.height // self.tokenizer.downsample, self.width // self.tokenizer.downsample
        if cells[0] % self.backbone.patch or cells[1] % self.backbone.patch:
            raise InputError(
                f"backbone.patch: found {self.backbone.patch}, wanted a divisor of the {cells} latent grid"
            )


class WorldModel(nn.Module):
    """Tokenizer and backbone together; all five questions are asked here."""

    def __init__(self, config: WorldModelConfig, embodiments: Sequence[EmbodimentSpec]) -> None:
        super().__init__()
        self.config = config
        self.embodiments = list(embodiments)
        self.tokenizer = Tokenizer(config.tokenizer)
        cell = config.tokenizer.downsample * config.backbone.patch
        grid = (config.height // cell, config.width // cell)
        self.backbone = Backbone(config.backbone, self.embodiments, config.tokenizer.channels, grid)

    @property
    def frame_size(self) -> tuple[int, int]:
        """Height and width of frames, in pixels."""
        return self.config.height, self.config.width

    @property
    def context_frames(self) -> int:
        """Frames worth remembering when acting or dreaming."""
        return self.config.backbone.window

    @property
    def chunk_length(self) -> int:
        """Actions in a policy chunk."""
        return self.config.backbone.chunk

    @property
    def sampling_steps(self) -> int:
        """Euler steps per dreamed frame unless told otherwise."""
        return self.config.sampling_steps

    def embodiment_index(self, name: str | None = None) -> int:
        """Index of the body called ``name`` (None: the first).

        Raises:
            InputError: this model does not know the body.
        """
        names = [body.name for body in self.embodiments]
        if name is None:
            return 0
        if name not in names:
            raise InputError(f"embodiment {name!r}: this model knows {', '.join(names)}")
        return names.index(name)

    @torch.no_grad()
    def encode(self, frames: Shaped[np.ndarray, "b t h w 3"]) -> Float[Tensor, "b t hl wl c"]:
        """Encodes pictures to normalised latents.

        Raises:
            InputError: the pictures are not uint8, or not of this model's size.
        """
        if frames.dtype != np.uint8 or frames.shape[-3:] != (*self.frame_size, 3):
            raise InputError(
                f"frames: found {frames.dtype} {frames.shape}, wanted uint8 (b, t, {self.config.height}, "
                f"{self.config.width}, 3)"
            )
        pictures = torch.as_tensor(np.ascontiguousarray(frames)).to(self.tokenizer.latent_mean.device)
        return torch.cat([self.tokenizer.encode(part) for part in pictures.split(4)])

    @torch.no_grad()
    def decode(self, latents: Float[Tensor, "b t hl wl c"]) -> UInt8[np.ndarray, "b t h w 3"]:
        """Decodes normalised latents to pictures."""
        return torch.cat([self.tokenizer.decode(part) for part in latents.split(4)]).cpu().numpy()

    @torch.no_grad()
    def imagine(
        self,
        context_frames: Shaped[np.ndarray, "b t h w 3"],
        actions: Float32[np.ndarray, "b k a"],
        *,
        context_actions: Float32[np.ndarray, "b tc a"] | None = None,
        steps: int | None = None,
        seed: int = 0,
        embodiment: str | None = None,
    ) -> UInt8[np.ndarray, "b k h w 3"]:
        """Dreams what follows (``forward_dynamics``).

        Args:
            context_frames: what was seen, oldest first.
            actions: what is done from the last context frame on, in the embodiment's own units.
            context_actions: what was done between the context frames (t - 1 of them), if known.
            steps: Euler steps per frame.
            seed: of the noise that frames start from.
            embodiment: whose actions they are.

        Returns:
            The k frames that follow the context.
        """
        body = self.embodiment_index(embodiment)
        latents = self.encode(context_frames)
        before = None
        if context_actions is not None:
            self._check_actions(context_actions, body, len(latents), latents.shape[1] - 1)
            before = F.pad(self._normalise(context_actions, body), (0, 0, 1, 0))
        self._check_actions(actions, body, len(latents), actions.shape[1])
        rollout = self.rollout(len(latents), embodiment=embodiment, seed=seed)
        rollout.observe(latents, before)
        steps = steps or self.config.sampling_steps
        planned = self._normalise(actions, body)
        dreamed = [rollout.dream(planned[:, index], steps) for index in range(planned.shape[1])]
        return self.decode(torch.stack(dreamed, 1))

    @torch.no_grad()
    def imagine_video(
        self, context_frames: Shaped[np.ndarray, "b t h w 3"], steps: int = 16, *, seed: int = 0
    ) -> UInt8[np.ndarray, "b steps h w 3"]:
        """Dreams ``steps`` frames without knowing any action (``video``)."""
        latents = self.encode(context_frames)
        rollout = self.rollout(len(latents), seed=seed)
        rollout.observe(latents)
        dreamed = [rollout.dream(None, self.config.sampling_steps) for _ in range(steps)]
        return self.decode(torch.stack(dreamed, 1))

    @torch.no_grad()
    def imagine_joint(
        self,
        context_frames: Shaped[np.ndarray, "b t h w 3"],
        steps: int = 16,
        *,
        seed: int = 0,
        embodiment: str | None = None,
    ) -> tuple[UInt8[np.ndarray, "b steps h w 3"], Float32[np.ndarray, "b steps a"]]:
        """Dreams ``steps`` frames and the actions that lead to them together (``joint``)."""
        body = self.embodiment_index(embodiment)
        latents = self.encode(context_frames)
        rollout = self.rollout(len(latents), embodiment=embodiment, seed=seed)
        rollout.observe(latents)
        pairs = [rollout.dream_jointly(self.config.sampling_steps) for _ in range(steps)]
        frames, actions = (torch.stack(parts, 1) for parts in zip(*pairs, strict=True))
        return self.decode(frames), self._denormalise(actions, body)

    @torch.no_grad()
    def infer_actions(
        self, frames: Shaped[np.ndarray, "b t h w 3"], *, embodiment: str | None = None
    ) -> Float32[np.ndarray, "b t-1 a"]:
        """Says which actions lie between frames (``inverse_dynamics``), in the embodiment's own units."""
        body = self.embodiment_index(embodiment)
        latents = self.encode(frames)
        actions = sampling.infer_actions(self.backbone, latents, self._bodies(len(latents), body), steps=2)
        return self._denormalise(actions[:, 1:], body)

    @torch.no_grad()
    def act(
        self,
        context_frames: Shaped[np.ndarray, "b t h w 3"],
        state: Float32[np.ndarray, "b s"] | None = None,
        text: str | None = None,
        *,
        seed: int = 0,
        steps: int | None = None,
        embodiment: str | None = None,
    ) -> Float32[np.ndarray, "b k a"]:
        """Chooses the next k actions without rendering any future frame (``policy``).

        Args:
            context_frames: what was seen, oldest first.
            state: proprioception at the last frame, in the embodiment's own units.
            text: instruction; this version has no text encoder and refuses any.
            seed: of the noise that actions start from.
            steps: Euler steps.
            embodiment: who acts.

        Raises:
            InputError: wrong shapes, or an instruction for a model that reads none.
        """
        body = self.embodiment_index(embodiment)
        if text is not None:
            raise InputError("text: this model was trained without instructions, wanted None")
        latents = self.encode(context_frames)
        generator = torch.Generator(device=latents.device).manual_seed(seed)
        known = None
        if state is not None:
            size = len(self.embodiments[body].state_low)
            if state.shape != (len(latents), size):
                raise InputError(f"state: found shape {state.shape}, wanted ({len(latents)}, {size})")
            known = torch.as_tensor(self.embodiments[body].normalise_state(state), device=latents.device)
            known = F.pad(known, (0, self.backbone.state_size - size))
        chunk = sampling.act(
            self.backbone,
            latents[:, -self.context_frames :],
            known,
            self._bodies(len(latents), body),
            steps or self.config.action_steps,
            generator,
        )
        return self._denormalise(chunk, body)

    def rollout(self, batch: int, *, embodiment: str | None = None, seed: int = 0) -> Rollout:
        """A fresh rollout on latents for ``batch`` dreams; the building block of everything above."""
        bodies = self._bodies(batch, self.embodiment_index(embodiment))
        return Rollout(self.backbone, bodies, self.config.objective.skip_variance, seed)

    def _bodies(self, batch: int, body: int) -> Tensor:
        return torch.full((batch,), body, device=self.tokenizer.latent_mean.device)

    def _check_actions(self, actions: np.ndarray, body: int, batch: int, count: int) -> None:
        wanted = (batch, count, len(self.embodiments[body].action))
        if actions.shape != wanted:
            raise InputError(f"actions: found shape {actions.shape}, wanted {wanted}")
        if not np.isfinite(actions).all():
            raise InputError("actions: found NaN or infinity, wanted finite numbers")

    def _normalise(self, actions: np.ndarray, body: int) -> Tensor:
        spec = self.embodiments[body].action
        values = torch.as_tensor(spec.normalise(actions), device=self.tokenizer.latent_mean.device)
        return F.pad(values, (0, self.backbone.action_size - len(spec)))

    def _denormalise(self, actions: Tensor, body: int) -> np.ndarray:
        spec = self.embodiments[body].action
        return spec.denormalise(actions[..., : len(spec)].cpu().numpy())
