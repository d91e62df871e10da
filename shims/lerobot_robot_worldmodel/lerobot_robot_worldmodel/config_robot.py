"""What can be chosen of the simulated arm."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from lerobot.robots.config import RobotConfig

from policies.safety_limits import SafetyLimits
from worldmodel.data.embodiments import GRIPPER
from worldmodel.types import InputError

SCENES = ("TablePush", "PickPlace", "Drawer")


@RobotConfig.register_subclass("worldmodel")
@dataclass(kw_only=True)
class WorldModelRobotConfig(RobotConfig):
    """A gripper of MuJoCo over a table, see `envs.scene.Scene`, and the limits that it is kept within.

    Attributes:
        scene: what is on the table: TablePush, PickPlace or Drawer.
        size: height and width of pictures.
        cameras: what is seen: ``fixed``, ``wrist`` or both.
        seed: episode i is arranged from ``seed + i``.
        level: of randomisation, 0 to 2.
        options: further arguments of the scene, such as ``{task: close}`` of the drawer.
        max_speed_m_s: of the place that the hand is drawn to, along each axis.
        max_opening_speed_m_s: of the wanted opening of the gripper.
        workspace_low: x, y, z in m: how far the hand may be sent.
        workspace_high: the same, of the other ends.
        max_observation_age_s: see `policies.safety.SafetyLayer`; in the arm's time.
        stop_file: while it exists, the arm is stopped.
    """

    scene: str = "TablePush"
    size: int = 64
    cameras: list[str] = field(default_factory=lambda: ["fixed"])
    seed: int = 0
    level: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    max_speed_m_s: float = 0.3
    max_opening_speed_m_s: float = 1.0
    workspace_low: list[float] = field(default_factory=lambda: [-0.24, -0.22, 0.02])
    workspace_high: list[float] = field(default_factory=lambda: [0.24, 0.22, 0.22])
    max_observation_age_s: float = 0.5
    stop_file: Path | None = None

    def __post_init__(self) -> None:  # not LeRobot's, which takes cameras for devices of their own
        if self.scene not in SCENES:
            raise InputError(f"robot.scene {self.scene!r}, wanted one of: {', '.join(SCENES)}")
        if not self.cameras:
            raise InputError("robot.cameras: none, wanted fixed, wrist or both")
        if (found := (len(self.workspace_low), len(self.workspace_high))) != (3, 3):
            raise InputError(f"robot.workspace_low and workspace_high: {found} numbers, wanted 3 each (x, y, z)")
        _ = self.limits

    @property
    def limits(self) -> SafetyLimits:
        """What may be commanded; the opening has no limits beside those of its values and its speed."""
        return SafetyLimits(
            GRIPPER.action,
            GRIPPER.fps,
            axes=(0, 1, 2, 3),
            relative=(True, True, True, False),
            max_speed=(*(self.max_speed_m_s,) * 3, self.max_opening_speed_m_s),
            workspace_low=(*self.workspace_low, -np.inf),
            workspace_high=(*self.workspace_high, np.inf),
        )
