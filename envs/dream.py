"""A world model as an environment: an action goes in; the next picture, reward and success come out of the network.

`DreamVectorEnv` dreams many episodes at once in one batch, `Dream` a single one. What an episode shows follows from its
own seed alone, not from the others beside it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from jaxtyping import Float32, UInt8

import worldmodel
from worldmodel.data.frames import resize_frames
from worldmodel.data.open import open_dataset
from worldmodel.evaluation_windows import choose_windows
from worldmodel.models.sampling import Rollout
from worldmodel.models.world_model import WorldModel
from worldmodel.types import EmbodimentSpec, InputError


class Start(NamedTuple):
    """What an episode begins with: frames, the actions between them, and the instruction."""

    frames: UInt8[np.ndarray, "t h w 3"]
    actions: Float32[np.ndarray, "t-1 a"]
    text: str | None = None


STARTS = 256
CERTAIN = 0.5
RESETS = {"pusht": "worldmodel/PushT-v0"}  # of each body, where no starts are given
RESET_STARTS = 64


class DreamVectorEnv(VectorEnv[dict[str, np.ndarray], np.ndarray, np.ndarray]):
    """Episodes that the model dreams; an episode that ended begins anew at the next step (``AutoresetMode.NEXT_STEP``).

    Observation: ``pixels`` uint8 (h w 3), at the model's size, and ``agent_pos`` where the model reads the state off
    its dreams (``backbone.read_state``). Action: the embodiment's own units. Reward: what the model expects. An episode
    terminates where the model sees success as likely, and is truncated at ``max_steps``.

    Args:
        num_envs: episodes dreamed at once.
        checkpoint: name or folder of a checkpoint, or a model.
        starts: recordings that episodes begin from (path or Hub id, see `open_dataset`), or `Start` tuples; the first
            frames of ``env`` unless given.
        env: id of the environment whose first frames and task episodes have; the body's own unless given.
        embodiment: who acts; the model's first one unless given.
        context_frames: real frames that an episode begins with.
        max_steps: an episode ends here at the latest.
        sampling_steps: denoising steps per frame; the model's own number unless given.
        engine: how the network is carried out, see `worldmodel.models.engine`; a model that is given has its own.
        render_mode: ``"rgb_array"`` or None.

    Raises:
        InputError: unusable checkpoint, embodiment or starts, or a model that gives several frames one latent.
    """

    metadata: ClassVar[dict[str, Any]] = {  # pyright: ignore[reportIncompatibleVariableOverride]
        "render_modes": ["rgb_array"],
        "render_fps": 10,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }
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
        if isinstance(starts, str | Path):
            self.starts = self._read(starts, context_frames)
        else:
            self.starts = self._reset_frames(env) if starts is None else [Start(*start) for start in starts]
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
        self._over = np.zeros(num_envs, bool)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Begins all episodes, or those in ``options["reset_mask"]``; an int seeds them one after the other.

        ``options["starts"]``, a number for each of them, chooses what they begin with; it is drawn unless given.
        """
        rows = np.flatnonzero((options or {}).get("reset_mask", np.ones(self.num_envs, bool)))
        seeds = [None if seed is None else seed + row for row in rows] if not isinstance(seed, Sequence) else seed
        for row, own in zip(rows, seeds, strict=True):
            if own is not None:
                self.rngs[row] = np.random.default_rng(own)
        self._begin(rows, (options or {}).get("starts"))
        return self._observation(), self._info(np.zeros(self.num_envs, bool))

    @torch.no_grad()
    def step(
        self, actions: np.ndarray
    ) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Dreams a frame of every episode.

        Raises:
            InputError: actions of the wrong shape, or not finite.
        """
        assert self._rollout is not None, "reset first"
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

    def _read(self, path: str | Path, context_frames: int) -> list[Start]:
        windows = choose_windows(
            open_dataset(path),
            length=context_frames,
            count=STARTS,
            frame_size=self.model.frame_size,
            embodiment=self.embodiment.name,
        )
        return [Start(window.frames, window.actions, window.text) for window in windows]

    def _reset_frames(self, env_id: str | None) -> list[Start]:
        name = self.embodiment.name
        if env_id is None and name not in RESETS:
            raise InputError(f"dream: no environment is known for embodiment {name!r}, wanted starts or env")
        env = gymnasium.make(env_id or RESETS[name])
        self.task_description = getattr(env.unwrapped, "task_description", "")
        frames = [env.reset(seed=seed)[0]["pixels"][None] for seed in range(RESET_STARTS)]
        env.close()
        between = np.zeros((0, len(self.embodiment.action)), np.float32)
        text = self.task_description or None
        return [Start(resize_frames(frame, *self.model.frame_size), between, text) for frame in frames]

    @torch.no_grad()
    def _begin(self, rows: np.ndarray, starts: Sequence[int] | None = None) -> None:
        drawn = [int(self.rngs[row].integers(len(self.starts))) for row in rows]
        chosen = [self.starts[number] for number in (drawn if starts is None else starts)]
        seeds = [int(self.rngs[row].integers(2**62)) for row in rows]
        frames = np.stack([start.frames for start in chosen])
        latents = self.model.encode(frames)
        between = self._normalised(np.stack([start.actions for start in chosen]))
        texts = [start.text for start in chosen] if self.model.reads_text else None
        led = torch.nn.functional.pad(between, (0, 0, 1, 0))
        if self._rollout is None or len(rows) == self.num_envs:
            options = {"embodiment": self.embodiment.name, "seed": seeds, "text": texts}
            self._rollout = self.model.rollout(self.num_envs, **options)
            self._rollout.observe(latents, led)
        else:
            words = self.model.read(texts, len(rows))
            self._rollout.restart(torch.from_numpy(rows), latents, led, seeds, words)
        self._frames[rows], self._steps[rows], self._over[rows] = frames[:, -1], 0, False

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

    def __init__(self, **options: Any) -> None:
        self.dreams = DreamVectorEnv(1, **options)
        self.render_mode, self.embodiment = self.dreams.render_mode, self.dreams.embodiment
        self.task_description = self.dreams.task_description
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
