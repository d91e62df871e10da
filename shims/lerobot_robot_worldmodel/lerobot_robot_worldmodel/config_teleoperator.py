"""What can be chosen of who drives the simulated arm in place of a person."""

from dataclasses import dataclass

from lerobot.teleoperators.config import TeleoperatorConfig


@TeleoperatorConfig.register_subclass("worldmodel")
@dataclass(kw_only=True)
class WorldModelTeleoperatorConfig(TeleoperatorConfig):
    """A scripted policy at the controls.

    Attributes:
        policy: as `policies.scripted.make_policy` knows it: ``expert``, ``noisy-expert:0.2`` or ``random``.
        robot_id: ``id`` of the robot that it drives, in the same process.
        seed: of its noise in episode i is ``seed + i``.
    """

    policy: str = "expert"
    robot_id: str | None = None
    seed: int = 0
