"""A dream of ours as an environment of LeRobot, in which any of its policies can be scored."""

from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from lerobot.envs.configs import EnvConfig

import worldmodel
from envs.dream import DreamVectorEnv
from lerobot_env_worldmodel.features import features_of, gym_id_of


class LeRobotDreams(DreamVectorEnv):
    """Dreams with what LeRobot asks of environments that it made itself."""

    @property
    def _max_episode_steps(self) -> int:
        return self.max_steps

    def call(self, name: str, *args: Any, **options: Any) -> tuple[Any, ...]:
        """An attribute of every dream, or what its method returns."""
        found = getattr(self, name)
        if name == "render":
            return tuple(found())
        value = found(*args, **options) if callable(found) else found
        return (value,) * self.num_envs

    def get_attr(self, name: str) -> tuple[Any, ...]:
        return self.call(name)

    def step(self, actions: np.ndarray) -> tuple[Any, ...]:
        observation, reward, terminated, truncated, info = super().step(actions.astype(np.float32))
        if (terminated | truncated).any():
            info["final_info"] = {"is_success": info["is_success"]}
        return observation, reward, terminated, truncated, info


@EnvConfig.register_subclass("worldmodel_dream")
@dataclass
class WorldModelDreamConfig(EnvConfig):
    """A dream, see `envs.dream.DreamVectorEnv`.

    Attributes:
        task: environment whose first frames and task dreams begin with, such as ``TablePush``; the body's own if None.
        checkpoint: who dreams: shipped name, folder or Hub id.
        embodiment: who acts; the checkpoint's first one unless given.
        starts: recordings that dreams begin from, in place of the environment.
        episode_length: a dream ends here at the latest.
        sampling_steps: denoising steps per frame; the checkpoint's own number unless given.
        engine: how the network is carried out, see `worldmodel.models.engine`.
    """

    task: str | None = None
    checkpoint: str = "pusht"
    embodiment: str | None = None
    starts: str | None = None
    episode_length: int = 300
    sampling_steps: int | None = None
    engine: str = "eager"

    def __post_init__(self) -> None:
        self._model = worldmodel.load(self.checkpoint, engine=self.engine)
        dreams = self._make(1)
        self.fps = round(dreams.embodiment.fps)
        assert isinstance(dreams.single_observation_space, spaces.Dict)
        assert isinstance(dreams.single_action_space, spaces.Box)
        self.features, self.features_map = features_of(dreams.single_observation_space, dreams.single_action_space)

    @property
    def gym_kwargs(self) -> dict[str, Any]:
        return {}

    def create_envs(
        self, n_envs: int, use_async_envs: bool = False
    ) -> dict[str, dict[int, gymnasium.vector.VectorEnv]]:
        """All dreams in one batch, whether asynchronous ones are asked for or not."""
        return {self.type: {0: self._make(n_envs)}}

    def _make(self, count: int) -> LeRobotDreams:
        return LeRobotDreams(
            count,
            checkpoint=self._model,
            starts=self.starts,
            env=None if self.task is None else gym_id_of(self.task),
            embodiment=self.embodiment,
            max_steps=self.episode_length,
            sampling_steps=self.sampling_steps,
        )
