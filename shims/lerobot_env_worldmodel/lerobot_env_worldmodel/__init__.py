"""Makes ``--env.type=worldmodel`` and ``worldmodel_dream`` known to LeRobot, which imports this package by its name."""

from lerobot_env_worldmodel.dream import WorldModelDreamConfig
from lerobot_env_worldmodel.real import WorldModelEnvConfig

__all__ = ["WorldModelDreamConfig", "WorldModelEnvConfig"]
