"""A world model as an environment: an action goes in; the next picture, reward and success come out of the network.

`DreamVectorEnv` dreams many episodes at once in one batch, `Dream` a single one. What an episode shows follows from its
own seed and actions, whatever the others beside it do: to the last bit in the same place of as many, and to rounding
(products of matrices add up in another order) in another place or among more or fewer.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from jaxtyping import UInt8

import worldmodel
from envs.dream_starts import given_starts, read_starts, reset_starts
from worldmodel.models.sampling import Rollout
from worldmodel.models.world_model import WorldModel
from worldmodel.types import EmbodimentSpec, InputError

CERTAIN = 0.5


class DreamVectorEnv(VectorEnv[dict[str, np.ndarray], np.ndarray, np.ndarray]):
    """Episodes that the model dreams; an episode that ended begins anew at the next step (``AutoresetMode.NEXT_STEP``).

    Observation: ``pixels`` uint8 (h w 3), at the model's size, and ``agent_pos`` where the model reads the state off
    its dreams (``backbone.read_state``). Action: the embodiment's own units, clipped to its limits. Reward: what the
    model expects. An episode terminates where the model sees success as likely (``info["is_success"]``), and is
    truncated at ``max_steps``. Frames a second: the embodiment's, rounded.

    Args:
        num_envs: episodes dreamed at once.
        checkpoint: name or folder of a checkpoint, or a model.
        starts: recordings that episodes begin from (path or Hub id, see `open_dataset`), or `envs.dream_starts.Start`
            tuples; the first frames of ``env`` unless given.
        env: id of the environment whose first frames and task episodes have; the body's own unless given.
        embodiment: who acts; the model's first one unless given.
        context_frames: real frames that an episode begins with.
        max_steps: an episode ends here at the latest.
        sampling_steps: denoising steps per frame; the model's own number unless given.
        engine: how the network is carried out, see `worldmodel.models.engine`; a model that is given has its own.
        render_mode: ``"rgb_array"`` or None.

    Raises:
        InputError: unusable checkpoint, embodiment, environment or starts, or a model with several frames per latent.
    """

    metadata: ClassVar[dict[str, Any]] = {  # pyright: ignore[reportIncompatibleVariableOverride]
        "render_modes": ["rgb_array"],
        "render_fps": 10,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }
    task = "dream"
    task_description = ""

    def __init__(
        self,
        num_envs: int = 1,
        *,
        checkpoint: str | Path | WorldModel = "pusht",
        starts: str | Path | Sequence[tuple] | None = None,
        env: str | None = None,
        embodiment: str | None = None,
        context_frames: int = 4,
        max_steps: int = 300,
        sampling_steps: int | None = None,
        engine: str = "eager",
        render_mode: str | None = "rgb_array",
    ) -> None:
        self.model = checkpoint if isinstance(checkpoint, WorldModel) else worldmodel.load(checkpoint, engine=engine)
        if self.model.frames_per_latent != 1:
            raise InputError(f"dream: this model has {self.model.frames_per_latent} frames per latent, wanted one")
        self.embodiment: EmbodimentSpec = self.model.embodiments[self.model.embodiment_index(embodiment)]
        if num_envs < 1 or max_steps < 1:
            raise InputError(f"dream: found {num_envs} environments of {max_steps} steps, wanted at least 1 of each")
        self.num_envs, self.max_steps, self.render_mode = num_envs, max_steps, render_mode
        self.sampling_steps = sampling_steps or self.model.sampling_steps
        self.metadata = self.metadata | {"render_fps": max(round(self.embodiment.fps), 1)}  # pyright: ignore
        if isinstance(starts, str | Path):
            self.starts = read_starts(starts, self.model, self.embodiment, context_frames)
        elif starts is not None:
            self.starts = given_starts(starts, self.model, self.embodiment)
        else:
            self.starts, self.task_description = reset_starts(env, self.model, self.embodiment)
        if not self.starts:
            raise InputError("dream: found no start, wanted at least one")
        action = self.embodiment.action
        picture = spaces.Box(0, 255, (*self.model.frame_size, 3), np.uint8)
        seen: dict[str, spaces.Space[Any]] = {"pixels": picture}
        self._state_size = len(self.embodiment.state_low) * self.model.config.backbone.read_state
        if self._state_size:
            low, high = (np.array(x, np.float32) for x in (self.embodiment.state_low, self.embodiment.state_high))
            seen["agent_pos"] = spaces.Box(low, high, dtype=np.float32)
        self.single_observation_space = spaces.Dict(seen)
        self.single_action_space = spaces.Box(action.low, action.high, dtype=np.float32)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.rngs = [np.random.default_rng() for _ in range(num_envs)]
        self._rollout: Rollout | None = None
        self._frames = np.zeros((num_envs, *picture.shape), np.uint8)
        self._steps = np.zeros(num_envs, int)
        self._over, self._begun = np.zeros(num_envs, bool), np.zeros(num_envs, bool)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Begins all episodes, or those in ``options["reset_mask"]``.

        Args:
            seed: of each environment, or of the first one, from which the others count up; None: as chance has it at
                first, then whatever follows from the seed before.
            options: ``reset_mask`` (num_envs,) bool; ``starts`` (num_envs,), numbers of what the episodes begin with,
                which are drawn unless given.

        Raises:
            InputError: another number of seeds or starts, or a mask of another shape.
        """
        options, everybody = options or {}, range(self.num_envs)
        seeds = seed if isinstance(seed, Sequence) else [None if seed is None else seed + row for row in everybody]
        mask, starts = np.asarray(options.get("reset_mask", [True] * self.num_envs)), options.get("starts")
        if {len(seeds), len(mask), self.num_envs if starts is None else len(starts)} != {self.num_envs}:
            found = f"{len(seeds)} seeds, a mask of shape {mask.shape} and starts {starts}"
            raise InputError(f"dream: found {found}, wanted one of each for {self.num_envs} environments")
        rows = np.flatnonzero(mask)
        for row in rows:
            if seeds[row] is not None:
                self.rngs[row] = np.random.default_rng(seeds[row])
        self._begin(rows, starts)
        return self._observation(), self._info(np.zeros(self.num_envs, bool))

    @torch.no_grad()
    def step(
        self, actions: np.ndarray
    ) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Dreams a frame of every episode.

        Raises:
            InputError: actions of the wrong shape, or not finite.
            ResetNeeded: an episode has not begun.
        """
        if self._rollout is None or not self._begun.all():
            raise ResetNeeded("dream: step before reset, wanted reset first")
        if actions.shape != self.action_space.shape or not np.isfinite(actions).all():
            raise InputError(f"actions: found shape {actions.shape}, wanted finite {self.action_space.shape}")
        latents = self._rollout.dream(self._normalised(actions), self.sampling_steps)
        assert self._rollout.readout is not None
        reward, success = self._rollout.readout[:, :2].cpu().double().numpy().T
        self._frames = self.model.decode(latents[:, None])[:, 0].copy()
        self._steps += 1
        begun = np.flatnonzero(self._over)
        terminated, truncated = success > np.log(CERTAIN / (1 - CERTAIN)), self._steps >= self.max_steps
        if len(begun):
            self._begin(begun)
            reward[begun], terminated[begun], truncated[begun] = 0.0, False, False
        self._over = terminated | truncated
        return self._observation(), reward, terminated, truncated, self._info(terminated)

    def render(self) -> tuple[UInt8[np.ndarray, "h w 3"], ...] | None:
        """What every episode shows now."""
        return tuple(self._frames.copy()) if self.render_mode == "rgb_array" else None

    @torch.no_grad()
    def _begin(self, rows: np.ndarray, starts: Sequence[int] | None = None) -> None:
        """Begins episodes one after the other: together, each would depend by a rounding on who begins beside it."""
        for row in rows:
            drawn = int(self.rngs[row].integers(len(self.starts)))
            start = self.starts[drawn if starts is None else starts[row]]
            seeds = [int(self.rngs[row].integers(2**62))]
            latents = self.model.encode(start.frames[None])
            led = torch.nn.functional.pad(self._normalised(start.actions[None]), (0, 0, 1, 0))
            words = self.model.read(start.text if self.model.reads_text else None, 1)
            if self._rollout is None:
                self._rollout = self.model.rollout(self.num_envs, embodiment=self.embodiment.name)
                self._rollout.observe(torch.zeros_like(latents[:, :1]).repeat(self.num_envs, 1, 1, 1, 1))
            self._rollout.restart(torch.tensor([row], device=latents.device), latents, led, seeds, words)
            self._frames[row] = start.frames[-1]
        self._steps[rows], self._over[rows], self._begun[rows] = 0, False, True

    def _normalised(self, actions: np.ndarray) -> torch.Tensor:
        values = torch.as_tensor(self.embodiment.action.normalise(actions.astype(np.float32)))
        missing = self.model.backbone.action_size - values.shape[-1]
        return torch.nn.functional.pad(values, (0, missing)).to(self.model.tokenizer.latent_mean.device)

    def _observation(self) -> dict[str, np.ndarray]:
        seen = {"pixels": self._frames.copy()}
        if self._state_size:
            assert self._rollout is not None
            assert self._rollout.readout is not None
            told = self._rollout.readout[:, 2 : 2 + self._state_size].cpu().numpy()
            seen["agent_pos"] = self.embodiment.denormalise_state(told)
        return seen

    def _info(self, success: np.ndarray) -> dict[str, Any]:
        return {"is_success": success, "_is_success": np.ones(self.num_envs, bool)}


class Dream(gymnasium.Env[dict[str, np.ndarray], np.ndarray]):
    """A single dreamed episode, for whom one at a time is enough; arguments are those of `DreamVectorEnv`."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}  # pyright: ignore
    task = "dream"

    def __init__(self, **options: Any) -> None:
        self.dreams = DreamVectorEnv(1, **options)
        self.render_mode, self.embodiment = self.dreams.render_mode, self.dreams.embodiment
        self.task_description = self.dreams.task_description
        self.metadata = self.metadata | {"render_fps": max(round(self.embodiment.fps), 1)}  # pyright: ignore
        self.observation_space, self.action_space = (
            self.dreams.single_observation_space,
            self.dreams.single_action_space,
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        super().reset(seed=seed)
        observation, info = self.dreams.reset(seed=seed)
        return _first(observation), {"is_success": bool(info["is_success"][0])}

    def step(self, action: np.ndarray) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.dreams.step(np.asarray(action)[None])
        over = bool(terminated[0]), bool(truncated[0])
        return _first(observation), float(reward[0]), *over, {"is_success": bool(info["is_success"][0])}

    def render(self) -> UInt8[np.ndarray, "h w 3"] | None:
        frames = self.dreams.render()
        return None if frames is None else frames[0]


def _first(observation: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: values[0] for name, values in observation.items()}
