"""Plays seeded episodes and keeps what happens; can be sent to other processes, each of which makes its own world."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from policies.behaviours import make_behaviour
from policies.bodies import embodiment_of
from worldmodel.types import EmbodimentSpec, Episode, InputError, Policy

LICENCE = "CC0-1.0"  # simulated by whoever collects it


@dataclass
class Recorder:
    """Records episode i from the seed ``seed + i``; it owes nothing to the episodes before it.

    Environment and policy are made when they are first needed, in the process that needs them.

    Attributes:
        env_id: such as ``"worldmodel/PushT-v0"`` or ``"module:Name-v0"``; observations are a dict with ``pixels``
            (h w 3), or a dict of cameras, and perhaps ``agent_pos`` and ``text``.
        policy: as `make_behaviour` reads it, or a function that makes a policy for an environment.
        seed: of the first episode.
        env_options: further arguments of the environment, such as ``{"size": 64}``.
        licence: SPDX id of what is recorded.
    """

    env_id: str
    policy: str | Callable[[gymnasium.Env], Policy]
    seed: int = 0
    env_options: Mapping[str, Any] = field(default_factory=dict)
    licence: str = LICENCE

    @cached_property
    def env(self) -> gymnasium.Env:
        return make_env(self.env_id, **self.env_options)

    @cached_property
    def actor(self) -> Policy:
        return make_behaviour(self.policy, self.env) if isinstance(self.policy, str) else self.policy(self.env)

    @cached_property
    def spec(self) -> EmbodimentSpec:
        """Who acts."""
        return embodiment_of(self.env_id, self.env)

    @property
    def policy_name(self) -> str:
        """What a collection notes of who acted."""
        return self.policy if isinstance(self.policy, str) else getattr(self.policy, "__name__", "unknown")

    def cameras(self) -> dict[str, tuple[int, int]]:
        """Name -> height and width of the pictures, and a first look at everything that may be wrong.

        Raises:
            InputError: unknown environment or policy, or observations without pictures.
        """
        observation, _ = self.env.reset(seed=self.seed)
        _ = self.actor, self.spec
        return {name: picture.shape[:2] for name, picture in pictures_of(self.env_id, observation).items()}

    def record(self, index: int) -> Episode:
        """Plays an episode."""
        seed = self.seed + index
        return record_episode(self.env, self.actor, self.spec, index, seed, self.env_id, self.licence)

    def close(self) -> None:
        """Closes the environment, if there is one; `record` would make another."""
        if "env" in self.__dict__:
            self.env.close()
        for name in ("env", "actor", "spec"):
            self.__dict__.pop(name, None)


def record_episode(
    env: gymnasium.Env, policy: Policy, spec: EmbodimentSpec, index: int, seed: int, env_id: str, licence: str = LICENCE
) -> Episode:
    """Plays one seeded episode; ``frames[t]`` is what the policy saw before ``actions[t]``."""
    observation, _ = env.reset(seed=seed)
    policy.reset(seed)
    text = observation.get("text") or getattr(env.unwrapped, "task_description", None)
    frames: dict[str, list[np.ndarray]] = {name: [] for name in pictures_of(env_id, observation)}
    actions, state, reward, success = [], [], [], []
    events: list[dict[str, Any]] | None = None
    terminated = truncated = False
    while not (terminated or truncated):
        for name, picture in pictures_of(env_id, observation).items():
            frames[name].append(picture.copy())  # an environment may draw into the same array again
        if spec.state_low:
            state.append(np.array(observation["agent_pos"], np.float32))
        action = np.array(policy.act(observation), np.float32).reshape(len(spec.action))
        actions.append(action)
        observation, earned, terminated, truncated, info = env.step(_as_env_action(env, action))
        reward.append(earned)
        success.append(bool(info.get("is_success", False)))
        if "events" in info:
            events = [] if events is None else events
            events.extend(info["events"])
    return Episode(
        frames={name: np.stack(pictures) for name, pictures in frames.items()},
        actions=np.stack(actions),
        action_mask=np.ones(len(actions), bool),
        state=np.stack(state) if state else None,
        reward=np.array(reward, np.float32),
        success=np.array(success, bool),
        terminated=bool(terminated),
        text=str(text) if text else None,
        fps=spec.fps,
        embodiment=spec.name,
        episode_id=f"{index:06d}",
        source=env_id,
        licence=licence,
        events=events,
    ).validate()


def make_env(env_id: str, **options: Any) -> gymnasium.Env:
    """Makes an environment; this toolkit's own ids may come without the ``envs:`` that registers them.

    Raises:
        InputError: no such environment, or options it does not take.
    """
    full_id = f"envs:{env_id}" if env_id.startswith("worldmodel/") else env_id
    try:
        return gymnasium.make(full_id, **options)
    except (gymnasium.error.Error, ModuleNotFoundError) as error:
        raise InputError(f"environment {env_id!r} is unknown ({' '.join(str(error).split())})") from error
    except TypeError as error:
        raise InputError(f"environment {env_id!r} refuses its options {options} ({error})") from error


def pictures_of(env_id: str, observation: Any) -> dict[str, np.ndarray]:
    """Returns the cameras of an observation by name; a single one is called ``"pixels"``."""
    if not isinstance(observation, Mapping) or "pixels" not in observation:
        raise InputError(f"{env_id}: observation without 'pixels', wanted a dict that has them")
    pixels = observation["pixels"]
    return dict(pixels) if isinstance(pixels, Mapping) else {"pixels": pixels}


def _as_env_action(env: gymnasium.Env, action: np.ndarray) -> Any:
    if isinstance(env.action_space, spaces.Discrete):
        return int(action[0])
    return action.reshape(env.action_space.shape)
