"""The simulated arm as a robot of LeRobot: what reaches it has passed the safety layer.

It lives in a time of its own, which passes by 0.1 s with every command and stands still otherwise. LeRobot's loops make
that real time (``--dataset.fps=10``, ``--fps=10``); a loop without pauses is as fast as the machine, and does the same.
The safety layer reads the arm's clock, so that a slow machine changes nothing either.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast
from weakref import WeakValueDictionary

import gymnasium
import numpy as np
from jaxtyping import Float64
from lerobot.lerobot_types import RobotAction, RobotObservation
from lerobot.robots import Robot
from lerobot.utils.decorators import check_if_already_connected, check_if_not_connected

from envs.scene import Scene
from lerobot_robot_worldmodel.announcements import Announcements
from lerobot_robot_worldmodel.config_robot import WorldModelRobotConfig
from policies.safety import SafetyLayer, Stopped
from worldmodel.data.embodiments import GRIPPER
from worldmodel.types import InputError

# lerobot-rollout knows positions by the end of their names, and leaves out what ends otherwise.
ACTIONS = tuple(f"{name}.pos" for name in GRIPPER.action.names)
POSITIONS = ("x.pos", "y.pos", "z.pos", "opening.pos")
CONNECTED: WeakValueDictionary[str | None, "WorldModelRobot"] = WeakValueDictionary()
"""Who drives an arm finds it here, by its id."""


class WorldModelRobot(Robot):
    """A gripper over a table, in MuJoCo.

    Actions move the place that the hand is drawn to by ``delta_x.pos``, ``delta_y.pos``, ``delta_z.pos`` and set
    ``opening.pos``. Observations are ``x.pos``, ``y.pos``, ``z.pos``, ``opening.pos`` as measured, all in m, and a
    picture from each camera. An action that names positions in place of displacements sends the hand there, as far as
    it may move in a step: LeRobot brings robots home so.

    Args:
        config: see `WorldModelRobotConfig`.
    """

    config_class = WorldModelRobotConfig
    name = "worldmodel"

    def __init__(self, config: WorldModelRobotConfig) -> None:
        super().__init__(config)
        self.config, self.cameras = config, tuple(config.cameras)
        self.safety = SafetyLayer(
            config.limits, config.max_observation_age_s, stop_file=config.stop_file, clock=self._time
        )
        self.episode = self.arrangements = 0
        self._scene: Scene | None = None
        self._seen: dict[str, Any] = {}
        self._commands = 0
        self._announcements = Announcements(self.rearrange)
        make_scene(config).close()  # an option that is wrong is found before LeRobot begins a data set

    @property
    def observation_features(self) -> dict[str, Any]:
        picture = (self.config.size, self.config.size, 3)
        return dict.fromkeys(POSITIONS, float) | dict.fromkeys(self.cameras, picture)

    @property
    def action_features(self) -> dict[str, Any]:
        return dict.fromkeys(ACTIONS, float)

    @property
    def is_connected(self) -> bool:
        return self._scene is not None

    @property
    def is_calibrated(self) -> bool:
        return True

    @property
    def scene(self) -> Scene:
        """The simulation.

        Raises:
            InputError: the arm is not connected.
        """
        if self._scene is None:
            raise InputError("robot.scene: not connected, wanted connect() before")
        return self._scene

    @check_if_already_connected
    def connect(self, calibrate: bool = True) -> None:
        """Makes the scene, arranged as for the first episode; a stop that there was before remains."""
        self._scene = make_scene(self.config)
        self._arrange(0)
        CONNECTED[self.id] = self
        self._announcements.listen()

    def calibrate(self) -> None:
        """There is nothing to calibrate."""

    def configure(self) -> None:
        """There is nothing to configure."""

    def rearrange(self, episode: int) -> None:
        """Puts everything where an episode starts, as a person at a real arm would.

        Raises:
            Stopped: the arm is stopped.
        """
        if self.safety.stopped is not None:
            raise Stopped(f"rearrange: {self.safety.stopped.reason}, wanted a reset before")
        self._arrange(episode)

    @check_if_not_connected
    def get_observation(self) -> RobotObservation:
        self.safety.observed()  # the world has stood still since the last step
        pixels = self._seen["pixels"]
        pictures = pixels if isinstance(pixels, dict) else {self.cameras[0]: pixels}
        return dict(zip(POSITIONS, self._seen["agent_pos"].tolist(), strict=True)) | pictures

    @check_if_not_connected
    def send_action(self, action: RobotAction) -> RobotAction:
        """Does a step and returns the action that was really carried out.

        Raises:
            policies.safety.Stopped: the arm is stopped; nothing moved.
            InputError: other names than those of the actions or of the positions.
        """
        with self._exchange():
            position = self._position()
        safe = self.safety.check(self._displacement(action, position), position)
        with self._exchange():
            self._seen = self.scene.step(safe)[0]
        self._commands += 1
        self.safety.heartbeat()
        return dict(zip(ACTIONS, safe.tolist(), strict=True))

    @check_if_not_connected
    def disconnect(self) -> None:
        self._announcements.stop()
        CONNECTED.pop(self.id, None)
        self.scene.close()
        self._scene = None

    def _arrange(self, episode: int) -> None:
        self._seen = self.scene.reset(seed=self.config.seed + episode)[0]
        self.episode, self.arrangements = episode, self.arrangements + 1
        if self.safety.stopped is None:
            self.safety.reset()

    def _time(self) -> float:
        return self._commands / GRIPPER.fps

    def _position(self) -> Float64[np.ndarray, "4"]:
        """From which displacements count: the place that the hand is drawn to, and the opening."""
        return np.array([*self.scene.privileged_state["target"], self.scene.opening])

    def _displacement(self, action: RobotAction, position: Float64[np.ndarray, "4"]) -> Float64[np.ndarray, "4"]:
        if set(action) == set(ACTIONS):
            return np.array([float(action[name]) for name in ACTIONS])
        if set(action) == set(POSITIONS):
            self.safety.observed()  # it is decided on the position that was read just now
            wanted = np.array([float(action[name]) for name in POSITIONS])
            return np.array([*(wanted - position)[:3], wanted[3]])
        raise InputError(f"action of {sorted(action)}, wanted {', '.join(ACTIONS)} or {', '.join(POSITIONS)}")

    @contextmanager
    def _exchange(self) -> Iterator[None]:
        """Whatever goes wrong between us and the arm means that it may not be commanded any more."""
        try:
            yield
        except Exception as error:
            self.safety.lost(f"{type(error).__name__}: {error}")
            raise


def make_scene(config: WorldModelRobotConfig) -> Scene:
    """Makes what the configuration describes.

    Raises:
        InputError: options that the scene does not have.
    """
    try:
        env = gymnasium.make(
            f"envs:worldmodel/{config.scene}-v0",
            size=config.size,
            cameras=config.cameras,
            level=config.level,
            **config.options,
        )
    except TypeError as error:
        raise InputError(f"robot.options {config.options}: {config.scene} refuses them ({error})") from error
    return cast(Scene, env.unwrapped)
