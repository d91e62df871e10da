"""The world-action model as people use it: pictures and actions in their own units in, pictures and actions out.

Outside, time is counted in frames. Inside, the backbone counts latents: where the tokenizer takes n > 1 frames per
latent, it is given n actions of a body as one (see `worldmodel.data.action_groups`), and a context must hold
1 + m n frames, so that older ones are left out.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, Shaped, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from worldmodel.data.action_groups import group_body, join_actions, split_actions
from worldmodel.models import planning, sampling
from worldmodel.models.backbone import Backbone
from worldmodel.models.engine import prepare_engine
from worldmodel.models.frame_tokenizer import fitting
from worldmodel.models.instructions import Text, read_instructions
from worldmodel.models.layer_pass import RunLayers, run_layers
from worldmodel.models.sampling import Rollout, clean_inputs
from worldmodel.models.tokenizers import make_tokenizer
from worldmodel.models.world_model_config import WorldModelConfig
from worldmodel.types import EmbodimentSpec, InputError


class WorldModel(nn.Module):
    """Tokenizer and backbone together; all five questions are asked here."""

    def __init__(self, config: WorldModelConfig, embodiments: Sequence[EmbodimentSpec]) -> None:
        super().__init__()
        self.config = config
        self.embodiments = list(embodiments)
        self.tokenizer = make_tokenizer(config.tokenizer)
        bodies = [group_body(body, config.tokenizer.frames_per_latent) for body in self.embodiments]
        cell = config.tokenizer.downsample * config.backbone.patch
        grid = (config.height // cell, config.width // cell)
        self.backbone = Backbone(config.backbone, bodies, config.tokenizer.channels, grid)
        self._run_layers: RunLayers = run_layers

    def use_engine(self, engine: str) -> None:
        """Dreams and acts by another of `worldmodel.models.engine.ENGINES` from now on.

        Raises:
            InputError: no such engine, or one that this device does not have.
        """
        self._run_layers = prepare_engine(self.backbone, engine)

    @property
    def frame_size(self) -> tuple[int, int]:
        """Height and width of frames, in pixels."""
        return self.config.height, self.config.width

    @property
    def frames_per_latent(self) -> int:
        """Frames that a latent spans after the first one, which stands alone."""
        return self.config.tokenizer.frames_per_latent

    @property
    def context_frames(self) -> int:
        """Frames worth remembering when acting or dreaming."""
        return 1 + (self.config.backbone.window - 1) * self.frames_per_latent

    @property
    def chunk_length(self) -> int:
        """Actions in a policy chunk."""
        return self.config.backbone.chunk * self.frames_per_latent

    @property
    def sampling_steps(self) -> int:
        """Euler steps per dreamed latent unless told otherwise."""
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
    def encode(self, frames: Shaped[np.ndarray, "b t h w 3"]) -> Float[Tensor, "b tl hl wl c"]:
        """Encodes pictures to normalised latents.

        Raises:
            InputError: the pictures are not uint8, not of this model's size, or not 1 + a multiple of
                ``frames_per_latent``.
        """
        if frames.dtype != np.uint8 or frames.shape[-3:] != (*self.frame_size, 3):
            raise InputError(
                f"frames: found {frames.dtype} {frames.shape}, wanted uint8 (b, t, {self.config.height}, "
                f"{self.config.width}, 3)"
            )
        pictures = torch.as_tensor(np.ascontiguousarray(frames)).to(self.tokenizer.latent_mean.device)
        return torch.cat([self.tokenizer.encode_clips(part) for part in pictures.split(4)])

    @torch.no_grad()
    def decode(self, latents: Float[Tensor, "b tl hl wl c"]) -> UInt8[np.ndarray, "b t h w 3"]:
        """Decodes normalised latents to pictures."""
        return torch.cat([self.tokenizer.decode_clips(part) for part in latents.split(4)]).cpu().numpy()

    def decode_after(
        self, context: Float[Tensor, "b tc hl wl c"], dreamed: Float[Tensor, "b tl hl wl c"], count: int
    ) -> UInt8[np.ndarray, "b k h w 3"]:
        """Decodes the first ``count`` frames of what was dreamed after a context.

        Where time is compressed, the decoder needs the context too: without it the first dreamed latent would pass
        for a single frame.
        """
        if self.frames_per_latent == 1:
            return self.decode(dreamed)[:, :count]
        seen = 1 + (context.shape[1] - 1) * self.frames_per_latent
        return self.decode(torch.cat([context, dreamed], 1))[:, seen : seen + count]

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
        text: Text = None,
    ) -> UInt8[np.ndarray, "b k h w 3"]:
        """Dreams what follows (``forward_dynamics``).

        Args:
            context_frames: what was seen, oldest first.
            actions: what is done from the last context frame on, in the embodiment's own units.
            context_actions: what was done between the context frames (t - 1 of them), if known.
            steps: Euler steps per latent.
            seed: of the noise that latents start from.
            embodiment: whose actions they are.
            text: instruction, see `rollout`.

        Returns:
            The k frames that follow the context.
        """
        body = self.embodiment_index(embodiment)
        recent = self._recent(context_frames)
        latents = self.encode(recent)
        before = None
        if context_actions is not None:
            self._check_actions(context_actions, body, len(latents), context_frames.shape[1] - 1)
            between = context_actions[:, context_frames.shape[1] - recent.shape[1] :]
            before = F.pad(self._normalise(between, body), (0, 0, 1, 0))
        self._check_actions(actions, body, len(latents), actions.shape[1])
        rollout = self.rollout(len(latents), embodiment=embodiment, seed=seed, text=text)
        rollout.observe(latents, before)
        steps = steps or self.config.sampling_steps
        planned = self._normalise(actions, body)
        dreamed = [rollout.dream(planned[:, index], steps) for index in range(planned.shape[1])]
        return self.decode_after(latents, torch.stack(dreamed, 1), actions.shape[1])

    @torch.no_grad()
    def imagine_video(
        self,
        context_frames: Shaped[np.ndarray, "b t h w 3"],
        steps: int = 16,
        *,
        seed: int = 0,
        sampling_steps: int | None = None,
    ) -> UInt8[np.ndarray, "b steps h w 3"]:
        """Dreams ``steps`` frames without knowing any action (``video``), in ``sampling_steps`` Euler steps each."""
        sampling_steps = sampling_steps or self.config.sampling_steps
        latents = self.encode(self._recent(context_frames))
        rollout = self.rollout(len(latents), seed=seed)
        rollout.observe(latents)
        dreamed = [rollout.dream(None, sampling_steps) for _ in range(self._latents(steps))]
        return self.decode_after(latents, torch.stack(dreamed, 1), steps)

    @torch.no_grad()
    def imagine_joint(
        self,
        context_frames: Shaped[np.ndarray, "b t h w 3"],
        steps: int = 16,
        *,
        seed: int = 0,
        sampling_steps: int | None = None,
        embodiment: str | None = None,
        text: Text = None,
    ) -> tuple[UInt8[np.ndarray, "b steps h w 3"], Float32[np.ndarray, "b steps a"]]:
        """Dreams ``steps`` frames and the actions that lead to them together (``joint``)."""
        body, sampling_steps = self.embodiment_index(embodiment), sampling_steps or self.config.sampling_steps
        latents = self.encode(self._recent(context_frames))
        rollout = self.rollout(len(latents), embodiment=embodiment, seed=seed, text=text)
        rollout.observe(latents)
        pairs = [rollout.dream_jointly(sampling_steps) for _ in range(self._latents(steps))]
        frames, actions = (torch.stack(parts, 1) for parts in zip(*pairs, strict=True))
        return self.decode_after(latents, frames, steps), self._denormalise(actions, body)[:, :steps]

    @torch.no_grad()
    def infer_actions(
        self, frames: Shaped[np.ndarray, "b t h w 3"] | Tensor, *, embodiment: str | None = None, seed: int = 0
    ) -> Float32[np.ndarray, "b k a"]:
        """Says which actions lie between frames, or latents of one each (``inverse_dynamics``), in their own units.

        They start from noise of the ``seed``: where draws differ, frames do not tell. Where time is compressed, frames
        left over at the end are read together with those before that do fit; of too few, the last one is repeated.
        """
        body, count = self.embodiment_index(embodiment), frames.shape[1] - 1
        if (left := count % self.frames_per_latent) and not isinstance(frames, Tensor):
            if count < self.frames_per_latent:
                frames = np.concatenate([frames, np.repeat(frames[:, -1:], self.frames_per_latent - count, 1)], 1)
                return self.infer_actions(frames, embodiment=embodiment, seed=seed)[:, :count]
            first = self.infer_actions(frames[:, :-left], embodiment=embodiment, seed=seed)
            last = self.infer_actions(frames[:, left:], embodiment=embodiment, seed=seed)
            return np.concatenate([first, last[:, -left:]], 1)
        latents = frames if isinstance(frames, Tensor) else self.encode(frames)
        actions = sampling.infer_actions(self.backbone, latents, self._bodies(len(latents), body), steps=2, seed=seed)
        return self._denormalise(actions[:, 1:], body)

    @torch.no_grad()
    def judge(
        self,
        frames: Shaped[np.ndarray, "b t h w 3"],
        actions: Float32[np.ndarray, "b k a"],
        *,
        embodiment: str | None = None,
        text: Text = None,
    ) -> tuple[Float32[np.ndarray, "b t-1"], Float32[np.ndarray, "b t-1"]]:
        """Says what reward each action earned, and how likely it is that the task was done then.

        Args:
            frames: what was seen (or dreamed).
            actions: what was done between the frames (t - 1 of them), in the embodiment's own units.
            embodiment: whose actions they are.
            text: instruction, see `rollout`.

        Raises:
            InputError: wrong shapes, or several frames per latent.
        """
        if self.frames_per_latent != 1:
            raise InputError(f"judge: this model has {self.frames_per_latent} frames per latent, wanted one")
        body, latents = self.embodiment_index(embodiment), self.encode(frames)
        self._check_actions(actions, body, len(latents), frames.shape[1] - 1)
        led = F.pad(self._normalise(actions, body), (0, 0, 1, 0))
        inputs = clean_inputs(self.backbone, latents, led, self._bodies(len(latents), body), self.read(text, len(led)))
        readout = self.backbone(inputs).readout[:, 1:].cpu()
        return readout[..., 0].numpy(), readout[..., 1].sigmoid().numpy()

    @torch.no_grad()
    def act(
        self,
        context_frames: Shaped[np.ndarray, "b t h w 3"] | Float[Tensor, "b tl hl wl c"],
        state: Float32[np.ndarray, "b s"] | None = None,
        text: Text = None,
        *,
        seed: int = 0,
        steps: int | None = None,
        embodiment: str | None = None,
    ) -> Float32[np.ndarray, "b k a"]:
        """Chooses the next k actions without rendering any future frame (``policy``).

        Args:
            context_frames: what was seen, oldest first; or its latents, for who keeps those of frames seen before.
            state: proprioception at the last frame, in the embodiment's own units.
            text: instruction, see `rollout`.
            seed: of the noise that actions start from.
            steps: Euler steps.
            embodiment: who acts.

        Raises:
            InputError: wrong shapes, or an instruction for a model that reads none.
        """
        body, known, latents = self.embodiment_index(embodiment), None, context_frames
        if not isinstance(latents, Tensor):
            latents = self.encode(self._recent(latents))
        generator = torch.Generator(device=latents.device).manual_seed(seed)
        if state is not None:
            size = len(self.embodiments[body].state_low)
            if state.shape != (len(latents), size):
                raise InputError(f"state: found shape {state.shape}, wanted ({len(latents)}, {size})")
            known = torch.as_tensor(self.embodiments[body].normalise_state(state), device=latents.device)
            known = F.pad(known, (0, self.backbone.state_size - size))
        chunk = planning.act(
            self.backbone,
            latents[:, -self.config.backbone.window :],
            known,
            self._bodies(len(latents), body),
            steps or self.config.action_steps,
            generator,
            self.read(text, len(latents)),
        )
        return self._denormalise(chunk, body)

    def rollout(
        self, batch: int, *, embodiment: str | None = None, seed: int | Sequence[int] = 0, text: Text = None
    ) -> Rollout:
        """A fresh rollout on latents for ``batch`` dreams; the building block of everything above.

        Its actions are normalised, and grouped where a latent spans several frames. ``seed`` and ``text``, the
        instruction, are one for each dream, or for all (whose seeds are then derived from it).

        Raises:
            InputError: an instruction for a model that reads none, or another number of them.
        """
        bodies, words = self._bodies(batch, self.embodiment_index(embodiment)), self.read(text, batch)
        seeds = np.random.SeedSequence(seed).generate_state(batch).tolist() if isinstance(seed, int) else seed
        how, skip = self.config.rollout, self.config.objective.skip_variance
        return Rollout(self.backbone, bodies, skip, seeds, self._run_layers, words, **how)

    @property
    def reads_text(self) -> bool:
        """Whether it was trained with instructions."""
        return self.config.backbone.text_buckets > 0

    def read(self, text: Text, batch: int) -> Int64[Tensor, "b words"] | None:
        """Words of an instruction for all, or of one for each (None: there is none); see `rollout`."""
        words = read_instructions(text, batch, known=self.reads_text)
        return None if words is None else words.to(self.tokenizer.latent_mean.device)

    def _recent(self, frames: np.ndarray) -> np.ndarray:
        """As many of the last frames as latents can span."""
        return frames[:, frames.shape[1] - fitting(frames.shape[1], self.frames_per_latent) :]

    def _latents(self, frames: int) -> int:
        """How many further latents span so many further frames."""
        return -(-frames // self.frames_per_latent)

    def _bodies(self, batch: int, body: int) -> Tensor:
        return torch.full((batch,), body, device=self.tokenizer.latent_mean.device)

    def _check_actions(self, actions: np.ndarray, body: int, batch: int, count: int) -> None:
        wanted = (batch, count, len(self.embodiments[body].action))
        if actions.shape != wanted:
            raise InputError(f"actions: found shape {actions.shape}, wanted {wanted}")
        if not np.isfinite(actions).all():
            raise InputError("actions: found NaN or infinity, wanted finite numbers")

    def _normalise(self, actions: np.ndarray, body: int) -> Tensor:
        """Normalised actions, joined for every latent that they lead to."""
        joined = join_actions(self.embodiments[body].action.normalise(actions), self.frames_per_latent)
        values = torch.as_tensor(joined, device=self.tokenizer.latent_mean.device)
        return F.pad(values, (0, self.backbone.action_size - values.shape[-1]))

    def _denormalise(self, actions: Tensor, body: int) -> np.ndarray:
        """The reverse: one action per frame, in its own units."""
        spec, n = self.embodiments[body].action, self.frames_per_latent
        return spec.denormalise(split_actions(actions[..., : n * spec.normalised_size].cpu().numpy(), n))
