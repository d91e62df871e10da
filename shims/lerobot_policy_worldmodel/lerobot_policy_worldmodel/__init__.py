"""Makes ``--policy.type=worldmodel`` known to LeRobot, which imports this package by its name."""

from lerobot_policy_worldmodel.configuration_worldmodel import WorldModelConfig

__all__ = ["WorldModelConfig"]
