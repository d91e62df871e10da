"""A scripted policy in the place of a person who drives the simulated arm."""

from typing import Any

from lerobot.lerobot_types import RobotAction
from lerobot.teleoperators import Teleoperator
from lerobot.utils.decorators import check_if_already_connected, check_if_not_connected
from lerobot.utils.errors import DeviceNotConnectedError

from lerobot_robot_worldmodel.config_teleoperator import WorldModelTeleoperatorConfig
from lerobot_robot_worldmodel.robot import ACTIONS, CONNECTED, WorldModelRobot
from policies.scripted import make_policy
from worldmodel.types import Policy


class WorldModelTeleoperator(Teleoperator):
    """Drives an arm of this process; it sees the true state of its scene, as scripted experts do.

    Args:
        config: see `WorldModelTeleoperatorConfig`.
    """

    config_class = WorldModelTeleoperatorConfig
    name = "worldmodel"

    def __init__(self, config: WorldModelTeleoperatorConfig) -> None:
        super().__init__(config)
        self.config = config
        self._connected = False
        self._driven: tuple[WorldModelRobot, int] | None = None

    @property
    def action_features(self) -> dict[str, Any]:
        return dict.fromkeys(ACTIONS, float)

    @property
    def feedback_features(self) -> dict[str, Any]:
        return {}

    @property
    def is_connected(self) -> bool:
        return self._connected

    @property
    def is_calibrated(self) -> bool:
        return True

    @check_if_already_connected
    def connect(self, calibrate: bool = True) -> None:
        """The arm is looked for when it is driven: LeRobot connects it after its teleoperator."""
        self._connected = True

    def calibrate(self) -> None:
        """There is nothing to calibrate."""

    def configure(self) -> None:
        """There is nothing to configure."""

    @check_if_not_connected
    def get_action(self) -> RobotAction:
        """Returns the next action of the plan; a new episode of the arm begins a new plan.

        Raises:
            DeviceNotConnectedError: there is no such arm.
            InputError: no such policy.
        """
        robot = CONNECTED.get(self.config.robot_id)
        if robot is None:
            raise DeviceNotConnectedError(f"no arm {self.config.robot_id!r} is connected in this process")
        if self._driven != (robot, robot.arrangements):
            self._policy: Policy = make_policy(self.config.policy, robot.scene, self.config.seed + robot.episode)
            self._driven = robot, robot.arrangements
        return dict(zip(ACTIONS, self._policy.act({}).tolist(), strict=True))

    def send_feedback(self, feedback: dict[str, Any]) -> None:
        """Nobody is there to feel it."""

    @check_if_not_connected
    def disconnect(self) -> None:
        self._connected = False
