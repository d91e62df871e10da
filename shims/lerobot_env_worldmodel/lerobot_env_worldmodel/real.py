"""Our simulated environments, as LeRobot makes them."""

from dataclasses import dataclass, field
from typing import Any

import gymnasium
from gymnasium import spaces
from lerobot.envs.configs import EnvConfig

import envs  # noqa: F401  (registers the ids)
from lerobot_env_worldmodel.features import features_of
from worldmodel.types import InputError


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
        if self.gym_id not in gymnasium.registry:
            known = sorted(name.split("/")[1] for name in gymnasium.registry if name.startswith("worldmodel/"))
            raise InputError(f"env.task {self.task!r}, wanted one of: {', '.join(known)}")
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
        name = str(self.task)
        return f"worldmodel/{name if name[-3:-1] == '-v' else name + '-v0'}"

    @property
    def gym_kwargs(self) -> dict[str, Any]:
        return {"size": self.size, **self.options}
