"""Meta-World: 50 things to do with a Sawyer arm at a table, with the observations of this house.

Source: Yu et al. 2019, "Meta-World: A Benchmark and Evaluation for Multi-Task and Meta Reinforcement Learning".
"""

# pyright: reportAttributeAccessIssue=false

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import gymnasium
import mujoco  # its classes come from compiled modules without stubs
import numpy as np
from gymnasium import spaces
from jaxtyping import Float64, UInt8

from envs.cameras import Cameras
from envs.extras import require
from envs.metaworld_tasks import DESCRIPTIONS
from envs.rendering import make_cheap
from worldmodel.data.embodiments import METAWORLD
from worldmodel.types import InputError

if TYPE_CHECKING:
    from metaworld.sawyer_xyz_env import SawyerXYZEnv

MAX_REWARD = 10.0
UPSIDE_DOWN = ("corner", "corner2", "corner3")
CLOSER_M = (0.75, 0.075, 0.7)  # LeRobot's place of corner2: Meta-World's own is far from the table


class MetaWorld(gymnasium.Env[dict[str, Any], np.ndarray]):
    """One of Meta-World's tasks; goals and things lie elsewhere in every episode, drawn from the seed.

    Observation: ``pixels`` uint8 (h w 3), or a dict of them by camera where several were asked for (absent for none),
    and ``agent_pos`` float32 (4,): x, y, z of the hand in m, and how far the fingers are open, 0 to 1. Action: how far
    the place that the hand is drawn to moves along x, y, z (right, away from the base, up) in cm, and the force on the
    fingers, from -1 (open) to 1 (close). Reward: in [0, 1], dense, 1 exactly at success; otherwise a tenth of
    Meta-World's own, which is ``info["unscaled_reward"]``. The episode ends once the task was done for ``hold`` steps
    on end. ``info``: ``is_success``, and after an action what Meta-World tells.

    A step is 1/80 s.

    Args:
        task: such as ``"reach-v3"``, see `envs.metaworld_tasks.DESCRIPTIONS`.
        size: height and width of the pictures, one number or two, divisible by 16.
        cameras: what to see: ``"corner2"`` (where LeRobot has it), ``"corner"``, ``"corner3"``, ``"topview"``,
            ``"behindGripper"``, ``"gripperPOV"``, several, or none.
        hold: steps of success that end the episode.
        render_mode: ``"rgb_array"`` or None.

    Raises:
        InputError: unknown task or camera, ``hold`` below 1, a size that is not divisible by 16, or no Meta-World.
    """

    metadata: ClassVar[dict[str, Any]] = {  # pyright: ignore[reportIncompatibleVariableOverride]
        "render_modes": ["rgb_array"],
        "render_fps": 80,
    }
    embodiment = METAWORLD

    def __init__(
        self,
        task: str = "reach-v3",
        size: int | Sequence[int] = 64,
        cameras: str | Sequence[str] = "corner2",
        hold: int = 1,
        render_mode: str | None = "rgb_array",
    ) -> None:
        if task not in DESCRIPTIONS:
            raise InputError(f"MetaWorld: task {task!r} is unknown, wanted one of: {', '.join(DESCRIPTIONS)}")
        if hold < 1:
            raise InputError(f"MetaWorld: hold {hold}, wanted at least 1 step")
        self.task, self.task_description, self.hold, self.render_mode = task, DESCRIPTIONS[task], hold, render_mode
        self._held = 0
        self._sim = _make_sim(task)
        self.model, self.data = self._sim.model, self._sim.data
        self._seen = np.zeros(39)
        _set_cameras(self.model)
        make_cheap(self.model, samples=0)
        self.cameras = Cameras(self.model, cameras, size, "MetaWorld", enlarge=2)
        low, high = (np.array(limit, np.float32) for limit in (METAWORLD.state_low, METAWORLD.state_high))
        agent_pos = spaces.Box(low, high, dtype=np.float32)
        self.observation_space: spaces.Space[dict[str, Any]] = spaces.Dict(
            {**self.cameras.space, "agent_pos": agent_pos}
        )
        self.action_space = spaces.Box(METAWORLD.action.low, METAWORLD.action.high, dtype=np.float32)

    @property
    def privileged_state(self) -> dict[str, Float64[np.ndarray, "39"]]:
        """``observation`` (39,): what Meta-World's own experts read, with things and goal: places in m, quaternions."""
        return {"observation": self._seen.copy()}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        super().reset(seed=seed)
        self._sim.np_random = self.np_random  # Meta-World's own reset takes no seed
        self._held = 0
        self._seen, _ = self._sim.reset()
        return self._observe(), {"is_success": False}

    def step(self, action: np.ndarray) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Moves for 1/80 s; an action outside its limits is clipped.

        Raises:
            InputError: an action of another shape, or not finite.
        """
        action = np.asarray(action, np.float32)
        if action.shape != (4,) or not np.isfinite(action).all():
            raise InputError(f"MetaWorld: action {action.tolist()}, wanted 4 finite numbers")
        self._seen, reward, _, _, info = self._sim.step(np.clip(action, -1, 1))
        success = bool(info["success"])
        self._held = self._held + 1 if success else 0
        # Some tasks pay less than 10 for success, and button-press-topdown-wall nothing at all.
        scaled = 1.0 if success else min(float(reward) / MAX_REWARD, 0.999)
        return self._observe(), scaled, self._held >= self.hold, False, {**info, "is_success": success}

    def render(self) -> UInt8[np.ndarray, "384 w 3"]:
        """Returns a large picture from the camera corner2."""
        return self.cameras.render(self.data, "corner2")

    def close(self) -> None:
        self.cameras.close()

    def _observe(self) -> dict[str, Any]:
        mujoco.mj_kinematics(self.model, self.data)  # a reset puts things in their places after it computed the others
        mujoco.mj_camlight(self.model, self.data)
        agent_pos = np.clip(self._seen[:4], METAWORLD.state_low, METAWORLD.state_high).astype(np.float32)
        return {**self.cameras.look(self.data), "agent_pos": agent_pos}


def _make_sim(task: str) -> "SawyerXYZEnv":
    """Meta-World's environment that tells the goal, draws every reset anew, and is never out of time."""
    require("metaworld", "metaworld", "MetaWorld")
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE

    make = ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE[f"{task}-goal-observable"]
    sim = make(seed=0)  # pyright: ignore[reportCallIssue]  (declared as the class that it extends)
    sim._freeze_rand_vec, sim.seeded_rand_vec = False, True
    sim.max_path_length = sys.maxsize  # Gymnasium counts the steps
    return sim


def _set_cameras(model: mujoco.MjModel) -> None:
    """Turns the cameras upright that are mounted head down, and puts corner2 where LeRobot has it."""
    for name in UPSIDE_DOWN:
        camera = model.camera(name)
        mujoco.mju_mulQuat(camera.quat, camera.quat.copy(), np.array([0.0, 0.0, 0.0, 1.0]))
    model.camera("corner2").pos[:] = CLOSER_M
