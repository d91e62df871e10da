"""Episodes that go on side by side: each in an environment of its own, or all in a vector environment."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv

from policies.batch import Action, Observation


class Outcome(NamedTuple):
    """What an action led to; ``over`` where the episode ended with it."""

    observation: Observation
    reward: float
    over: bool
    success: bool


@runtime_checkable
class Worlds(Protocol):
    """Several episodes at once, told apart by their number."""

    action_shape: tuple[int, ...]

    def reset(self, seeds: Sequence[int]) -> dict[int, Observation]:
        """Begins an episode from every seed."""
        ...

    def step(self, actions: Mapping[int, Action]) -> dict[int, Outcome]:
        """Carries out an action in every episode that is named."""
        ...


class SeparateWorlds:
    """An environment for every episode.

    Args:
        envs: one for every seed.
    """

    def __init__(self, envs: Sequence[gymnasium.Env]) -> None:
        self.envs = envs
        self.action_shape = envs[0].action_space.shape or ()

    def reset(self, seeds: Sequence[int]) -> dict[int, Observation]:
        pairs = zip(self.envs, seeds, strict=True)
        return {number: env.reset(seed=seed)[0] for number, (env, seed) in enumerate(pairs)}

    def step(self, actions: Mapping[int, Action]) -> dict[int, Outcome]:
        return {number: self._step(self.envs[number], action) for number, action in actions.items()}

    def _step(self, env: gymnasium.Env, action: Action) -> Outcome:
        observation, reward, terminated, truncated, info = env.step(action)
        return Outcome(observation, float(reward), terminated or truncated, bool(info.get("is_success", False)))


class VectorWorlds:
    """A vector environment, whose episodes cost no more together than they must.

    Args:
        env: as many environments as there are seeds; its ``info`` holds ``is_success``.
        options: of its reset.
    """

    def __init__(self, env: VectorEnv, options: dict[str, Any] | None = None) -> None:
        self.env, self.options = env, options
        self.action_shape = env.single_action_space.shape or ()

    def reset(self, seeds: Sequence[int]) -> dict[int, Observation]:
        observation, _ = self.env.reset(seed=list(seeds), options=self.options)  # pyright: ignore[reportArgumentType]
        return self._rows(observation)

    def step(self, actions: Mapping[int, Action]) -> dict[int, Outcome]:
        # Episodes that are over go on or begin anew, as the environment pleases; nobody looks.
        taken = np.zeros((self.env.num_envs, *self.action_shape), np.float32)
        for number, action in actions.items():
            taken[number] = action
        observation, reward, terminated, truncated, info = self.env.step(taken)
        seen, over, success = self._rows(observation), terminated | truncated, info["is_success"]
        return {n: Outcome(seen[n], float(reward[n]), bool(over[n]), bool(success[n])) for n in actions}

    def _rows(self, observation: Mapping[str, np.ndarray]) -> dict[int, Observation]:
        return {n: {name: values[n] for name, values in observation.items()} for n in range(self.env.num_envs)}
