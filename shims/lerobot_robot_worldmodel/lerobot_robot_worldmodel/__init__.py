"""Makes ``--robot.type=worldmodel`` and ``--teleop.type=worldmodel`` known to LeRobot, which imports this by name.

LeRobot looks for the devices themselves in ``robot.py`` and ``teleoperator.py``, beside their configurations, and so
imports MuJoCo only where they are used.
"""

from lerobot_robot_worldmodel.config_robot import WorldModelRobotConfig
from lerobot_robot_worldmodel.config_teleoperator import WorldModelTeleoperatorConfig

__all__ = ["WorldModelRobotConfig", "WorldModelTeleoperatorConfig"]
