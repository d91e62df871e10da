"""Gymnasium's vector environments for the algorithms of Stable-Baselines3, which know another kind of their own.

Needs ``pip install 'worldmodel[sb3]'``. A single environment needs none of this: Stable-Baselines3 takes it as it is.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from stable_baselines3.common.vec_env import VecEnv

from worldmodel.types import InputError


class GymnasiumVecEnv(VecEnv):
    """A vector environment, such as sixteen dreams in one batch, as a `VecEnv`.

    A `VecEnv` shows the first observation of the next episode already at the step that ended one, and the last one
    beside it; so episodes that ended are begun anew at once, with ``options={"reset_mask": ...}``.

    Args:
        env: its ``reset`` must know ``reset_mask``, as those of Gymnasium and of `envs.dream.DreamVectorEnv` do.
    """

    def __init__(self, env: VectorEnv) -> None:
        self.env = env
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> Any:
        observation, info = self.env.reset(seed=self._seeds)  # pyright: ignore[reportArgumentType] (it takes lists)
        self.reset_infos = _by_row(info, self.num_envs)
        self._reset_seeds()
        return observation

    def step_async(self, actions: np.ndarray) -> None:
        self._actions = actions

    def step_wait(self) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(self._actions)
        over, infos = terminated | truncated, _by_row(info, self.num_envs)
        for row in np.flatnonzero(over).tolist():
            infos[row]["terminal_observation"] = _row(observation, row)
            infos[row]["TimeLimit.truncated"] = bool(truncated[row] and not terminated[row])
        if over.any():
            observation, _ = self.env.reset(options={"reset_mask": over})
        return observation, reward.astype(np.float32), over, infos

    def close(self) -> None:
        self.env.close()

    def get_images(self) -> Sequence[np.ndarray | None]:
        return [None if image is None else np.asarray(image) for image in self.env.render() or [None] * self.num_envs]

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute of the vector environment, the same for all."""
        return [getattr(self.env, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise InputError(f"cannot set {attr_name!r} of a vector environment, wanted it among the options that make it")

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        raise InputError(f"cannot call {method_name!r} in a vector environment, wanted reset, step or render")

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        return [False] * len(list(self._get_indices(indices)))


def _row(values: Any, row: int) -> Any:
    if isinstance(values, dict):
        return {name: part[row].copy() for name, part in values.items()}
    return values[row].copy()


def _by_row(info: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Turns a dict of arrays, each with a mask of who has it, into a dict for each."""
    named = {name: values for name, values in info.items() if not name.startswith("_")}
    given = {name: info.get(f"_{name}", np.ones(count, bool)) for name in named}
    return [{name: values[row] for name, values in named.items() if given[name][row]} for row in range(count)]
