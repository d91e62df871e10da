"""Our simulated environments, as LeRobot makes them."""

from dataclasses import dataclass, field
from typing import Any

import gymnasium
from gymnasium import spaces
from lerobot.envs.configs import EnvConfig

from lerobot_env_worldmodel.features import features_of, gym_id_of


@EnvConfig.register_subclass("worldmodel")
@dataclass
class WorldModelEnvConfig(EnvConfig):
    """An environment of worldmodel, see ``worldmodel info envs``.

    Attributes:
        task: its name, such as ``PushT`` or ``TablePush-v0``.
        size: height and width of pictures.
        options: further arguments of the environment, such as ``{level: 2}``.
    """

    task: str | None = "PushT"
    size: int = 64
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        env = gymnasium.make(self.gym_id, **self.gym_kwargs)
        self.fps = round(env.metadata["render_fps"])
        assert isinstance(env.observation_space, spaces.Dict)
        assert isinstance(env.action_space, spaces.Box)
        self.features, self.features_map = features_of(env.observation_space, env.action_space)
        env.close()

    @property
    def package_name(self) -> str:
        return "envs"

    @property
    def gym_id(self) -> str:
        return gym_id_of(str(self.task))

    @property
    def gym_kwargs(self) -> dict[str, Any]:
        return {"size": self.size, **self.options}
