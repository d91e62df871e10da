"""What the MuJoCo scenes have in common: a gripper over a table, cameras, and one step of it all.

A step is 0.1 s: twenty steps of physics, then one picture from each camera that was asked for.
"""

# pyright: reportAttributeAccessIssue=false

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import mujoco  # its classes come from compiled modules without stubs
import numpy as np
from gymnasium import spaces
from jaxtyping import Float32, Float64, UInt8

from envs.cameras import Cameras
from envs.randomisation import Randomiser
from envs.rendering import make_cheap
from worldmodel.data.embodiments import GRIPPER
from worldmodel.types import InputError

ASSETS = Path(__file__).parent / "assets"
FPS = 10
HAND_LOW, HAND_HIGH = np.array([-0.24, -0.22, 0.02]), np.array([0.24, 0.22, 0.22])  # where the gripper may be sent, m
HOME = np.array([0.0, -0.05, 0.16])
LEASH_M = 0.08  # the place that the gripper is drawn to never runs further ahead of it, per axis
OPEN_M = 0.08  # widest opening


class Scene(gymnasium.Env[dict[str, Any], np.ndarray], ABC):
    """A gripper that moves along three axes above a table, and something to do.

    Observation: ``pixels`` uint8 (size size 3), or a dict of them by camera where several were asked for (absent for
    none), and ``agent_pos`` float32 (4,): x, y, z of the point between the finger tips and their opening, in m.
    Action: how far the place that the gripper is drawn to moves along x, y, z (right, away from the fixed camera, up),
    and the wanted opening, in m. Reward: in [0, 1], dense, 1 exactly at success. The episode ends once the task was
    done for ``hold`` steps on end: recordings should show for a while what success looks like. ``info``:
    ``is_success``.

    Args:
        size: height and width of the pictures, divisible by 16; 64 to 128 are meant.
        cameras: what to see: ``"fixed"``, ``"wrist"``, several, or none.
        level: of randomisation: 0 places only, 1 colours, 2 light and cameras too.
        hold: steps of success that end the episode.
        shake: standard deviation of what disturbs every action, as a share of its range. Whoever acts has to correct
            what it did not mean, and recordings hold what it meant: demonstrations that show the way back, without
            noise in them (Laskey et al. 2017, "DART: noise injection for robust imitation learning").
        render_mode: ``"rgb_array"`` or None.

    Raises:
        InputError: unknown camera or level, ``hold`` below 1, ``shake`` below 0, or a size that is not divisible by 16.
    """

    metadata: ClassVar[dict[str, Any]] = {  # pyright: ignore[reportIncompatibleVariableOverride]
        "render_modes": ["rgb_array"],
        "render_fps": FPS,
    }
    embodiment = GRIPPER
    task: str
    task_description: str
    asset: ClassVar[str]  # file in envs/assets

    def __init__(
        self,
        size: int = 64,
        cameras: str | Sequence[str] = "fixed",
        level: int = 0,
        hold: int = 1,
        shake: float = 0.0,
        render_mode: str | None = "rgb_array",
    ) -> None:
        name = type(self).__name__
        if hold < 1:
            raise InputError(f"{name}: hold {hold}, wanted at least 1 step")
        if not 0.0 <= shake < np.inf:
            raise InputError(f"{name}: shake {shake}, wanted a share of the actions' range, from 0 on")
        self.level, self.hold, self.shake, self.render_mode = level, hold, shake, render_mode
        self._held = 0
        self.model = mujoco.MjModel.from_xml_path(str(ASSETS / self.asset))
        self.data = mujoco.MjData(self.model)
        make_cheap(self.model)
        self._randomiser = Randomiser(self.model, level, name)
        self.cameras = Cameras(self.model, cameras, size, name)
        self._substeps = round(1 / (FPS * self.model.opt.timestep))
        self._target = HOME.copy()
        low, high = (np.array(limit, np.float32) for limit in (GRIPPER.state_low, GRIPPER.state_high))
        agent_pos = spaces.Box(low, high, dtype=np.float32)
        self.observation_space: spaces.Space[dict[str, Any]] = spaces.Dict(
            {**self.cameras.space, "agent_pos": agent_pos}
        )
        self.action_space = spaces.Box(GRIPPER.action.low, GRIPPER.action.high, dtype=np.float32)

    @abstractmethod
    def _arrange(self) -> None:
        """Puts things where an episode starts, drawn from ``self.np_random``."""

    @abstractmethod
    def _judge(self) -> tuple[float, bool]:
        """Returns the reward of the present state in [0, 1), and whether the task is done."""

    @property
    @abstractmethod
    def privileged_state(self) -> dict[str, Float64[np.ndarray, "n"]]:
        """What no observation tells, for scripted experts and tests: where things truly are, in m."""

    @property
    def hand(self) -> Float64[np.ndarray, "3"]:
        """The point between the finger tips, in m."""
        return self.data.qpos[:3].copy()

    @property
    def opening(self) -> float:
        """Distance between the fingers, in m."""
        return float(self.data.joint("left").qpos[0] + self.data.joint("right").qpos[0])

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        super().reset(seed=seed)
        mujoco.mj_resetData(self.model, self.data)
        self._held = 0
        self._target = HOME + self.np_random.uniform(-0.03, 0.03, 3)
        self.data.qpos[:3] = self._target
        self._arrange()
        self._randomiser.draw(self.np_random)
        self._command(OPEN_M / 2)
        for finger in ("left", "right"):
            self.data.joint(finger).qpos[0] = OPEN_M / 4
        mujoco.mj_forward(self.model, self.data)
        return self._observe(), {"is_success": False}

    def step(self, action: np.ndarray) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Moves for 0.1 s; an action outside its limits is clipped.

        Raises:
            InputError: an action of another shape, or not finite.
        """
        action = np.asarray(action, np.float64)
        if action.shape != (4,) or not np.isfinite(action).all():
            raise InputError(f"{type(self).__name__}: action {action.tolist()}, wanted 4 finite numbers")
        low, high = np.array(GRIPPER.action.low), np.array(GRIPPER.action.high)
        if self.shake:
            action = action + self.np_random.normal(0, self.shake, 4) * (high - low)
        action = np.clip(action, low, high)
        target = np.clip(self._target + action[:3], self.hand - LEASH_M, self.hand + LEASH_M)
        self._target = np.clip(target, HAND_LOW, HAND_HIGH)
        self._command(float(action[3]))
        mujoco.mj_step(self.model, self.data, self._substeps)
        mujoco.mj_kinematics(self.model, self.data)  # a step ends before places follow from joints
        mujoco.mj_camlight(self.model, self.data)
        reward, success = self._judge()
        self._held = self._held + 1 if success else 0
        return self._observe(), 1.0 if success else reward, self._held >= self.hold, False, {"is_success": success}

    def render(self) -> UInt8[np.ndarray, "384 w 3"]:
        """Returns a large picture from the fixed camera."""
        return self.cameras.render(self.data, "fixed")

    def close(self) -> None:
        self.cameras.close()

    def _command(self, opening: float) -> None:
        self.data.ctrl[:] = (*self._target, opening / 2, opening / 2)

    def _observe(self) -> dict[str, Any]:
        return self.cameras.look(self.data) | {"agent_pos": self._agent_pos()}

    def _agent_pos(self) -> Float32[np.ndarray, "4"]:
        return np.clip([*self.hand, self.opening], GRIPPER.state_low, GRIPPER.state_high).astype(np.float32)


def nearness(distance: float, scale: float) -> float:
    """1 at no distance, 0.24 at ``scale``, towards 0 beyond; both in m."""
    return float(1 - np.tanh(distance / scale))


def draw_apart(
    rng: np.random.Generator, low: Sequence[float], high: Sequence[float], apart: float
) -> tuple[Float64[np.ndarray, "2"], Float64[np.ndarray, "2"]]:
    """Draws two places on the table, uniformly among those that are at least ``apart`` from each other; all in m."""
    while True:
        first, second = rng.uniform(low, high, (2, 2))
        if np.linalg.norm(first - second) >= apart:
            return first, second


def upright(angle: float) -> Float64[np.ndarray, "4"]:
    """Quaternion of a thing turned about the vertical by ``angle`` rad."""
    return np.array([np.cos(angle / 2), 0.0, 0.0, np.sin(angle / 2)])
