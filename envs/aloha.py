"""ALOHA in simulation: two ViperX arms over a table, gym-aloha with the observations of this house.

Source: Zhao et al. 2023, "Learning Fine-Grained Bimanual Manipulation with Low-Cost Hardware". Physics, start and
reward are gym-aloha's; its own environment draws three pictures of 640x480 px a step, whatever is asked for.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from jaxtyping import UInt8

from envs.cameras import Cameras
from envs.extras import require
from envs.rendering import make_cheap
from worldmodel.data.embodiments import ALOHA_SIM
from worldmodel.types import InputError

if TYPE_CHECKING:
    from dm_control.mujoco import Physics
    from gym_aloha.tasks.sim import BimanualViperXTask

DESCRIPTIONS = {
    "transfer-cube": "Pick up the cube with the right arm and transfer it to the left arm.",
    "insertion": "Insert the peg into the socket.",
}
MAX_REWARD = 4
SUBSTEPS = 10  # of 2 ms
LEASH_RAD = 1.0  # no joint is drawn to a place further away: from wilder leaps the physics blows up


class Aloha(gymnasium.Env[dict[str, Any], np.ndarray]):
    """Hand a cube from one arm to the other, or put a peg into a socket; both lie elsewhere in every episode.

    Observation: ``pixels`` uint8 (h w 3), or a dict of them by camera where several were asked for (absent for none),
    and ``agent_pos`` float32 (14,): for the left arm, then the right one, six joints in rad and how far the gripper is
    open, 0 to 1. Action: the same numbers, as places to go to, of which a joint is drawn to those within 1 rad.
    Reward: a quarter of gym-aloha's, which counts the stages of the task: 0, 0.25, 0.5, 0.75, and 1 exactly at success.
    The episode ends once the task was done for ``hold`` steps on end. ``info``: ``is_success``.

    A step is 1/50 s. The same seed gives the same places as gym-aloha.

    Args:
        task: ``"transfer-cube"`` or ``"insertion"``.
        size: height and width of the pictures, one number or two, divisible by 16.
        cameras: what to see: ``"top"`` (as in the recordings), ``"angle"``, ``"front_close"``, ``"left_pillar"``,
            ``"right_pillar"``, ``"left_wrist"``, ``"right_wrist"``, several, or none.
        hold: steps of success that end the episode.
        render_mode: ``"rgb_array"`` or None.

    Raises:
        InputError: unknown task or camera, ``hold`` below 1, a size that is not divisible by 16, or no gym-aloha.
    """

    metadata: ClassVar[dict[str, Any]] = {  # pyright: ignore[reportIncompatibleVariableOverride]
        "render_modes": ["rgb_array"],
        "render_fps": 50,
    }
    embodiment = ALOHA_SIM

    def __init__(
        self,
        task: str = "transfer-cube",
        size: int | Sequence[int] = (96, 128),
        cameras: str | Sequence[str] = "top",
        hold: int = 1,
        render_mode: str | None = "rgb_array",
    ) -> None:
        if task not in DESCRIPTIONS:
            raise InputError(f"Aloha: task {task!r} is unknown, wanted one of: {', '.join(DESCRIPTIONS)}")
        if hold < 1:
            raise InputError(f"Aloha: hold {hold}, wanted at least 1 step")
        self.task, self.task_description, self.hold, self.render_mode = task, DESCRIPTIONS[task], hold, render_mode
        self._held = 0
        self.physics, self._judge = _make_sim(task)
        self.model, self.data = self.physics.model.ptr, self.physics.data.ptr
        make_cheap(self.model, samples=0)
        self.cameras = Cameras(self.model, cameras, size, "Aloha", enlarge=2)
        low, high = (np.array(limit, np.float32) for limit in (ALOHA_SIM.state_low, ALOHA_SIM.state_high))
        agent_pos = spaces.Box(low, high, dtype=np.float32)
        self.observation_space: spaces.Space[dict[str, Any]] = spaces.Dict(
            {**self.cameras.space, "agent_pos": agent_pos}
        )
        self.action_space = spaces.Box(ALOHA_SIM.action.low, ALOHA_SIM.action.high, dtype=np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        super().reset(seed=seed)
        # gym-aloha draws from the seed itself, of 32 bits; without one, the episode follows from those before.
        drawn = int(self.np_random.integers(2**32)) if seed is None else seed % 2**32
        _place(self.task, drawn)
        with self.physics.reset_context():
            self._judge.initialize_episode(self.physics)
        self._held = 0
        return self._observe(), {"is_success": False}

    def step(self, action: np.ndarray) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Moves for 1/50 s; an action outside its limits is clipped.

        Raises:
            InputError: an action of another shape, or not finite.
        """
        action = np.asarray(action, np.float64)
        if action.shape != (14,) or not np.isfinite(action).all():
            raise InputError(f"Aloha: action {action.tolist()}, wanted 14 finite numbers")
        now = self._judge.get_qpos(self.physics)
        near = np.clip(action, now - LEASH_RAD, now + LEASH_RAD)
        self._judge.before_step(np.clip(near, ALOHA_SIM.action.low, ALOHA_SIM.action.high), self.physics)
        self.physics.step(SUBSTEPS)
        reward = int(self._judge.get_reward(self.physics))
        success = reward == MAX_REWARD
        self._held = self._held + 1 if success else 0
        return self._observe(), reward / MAX_REWARD, self._held >= self.hold, False, {"is_success": success}

    def render(self) -> UInt8[np.ndarray, "384 w 3"]:
        """Returns a large picture from above."""
        return self.cameras.render(self.data, "top")

    def close(self) -> None:
        self.cameras.close()

    def _observe(self) -> dict[str, Any]:
        agent_pos = np.clip(self._judge.get_qpos(self.physics), ALOHA_SIM.state_low, ALOHA_SIM.state_high)
        return {**self.cameras.look(self.data), "agent_pos": agent_pos.astype(np.float32)}


def _make_sim(task: str) -> "tuple[Physics, BimanualViperXTask]":
    """The simulator, and gym-aloha's own judge of what happens in it."""
    require("gym_aloha", "aloha", "Aloha")
    from dm_control.mujoco import Physics
    from gym_aloha.constants import ASSETS_DIR
    from gym_aloha.tasks.sim import InsertionTask, TransferCubeTask

    judge = {"transfer-cube": TransferCubeTask, "insertion": InsertionTask}[task]()
    file = ASSETS_DIR / f"bimanual_viperx_{task.replace('-', '_')}.xml"
    return Physics.from_xml_path(str(file)), judge


def _place(task: str, seed: int) -> None:
    """Leaves the start of an episode where gym-aloha's tasks look for it: a global, read by the reset that follows."""
    from gym_aloha.tasks.sim import BOX_POSE
    from gym_aloha.utils import sample_box_pose, sample_insertion_pose

    pose = sample_box_pose(seed) if task == "transfer-cube" else np.concatenate(sample_insertion_pose(seed))
    BOX_POSE[0] = pose  # pyright: ignore[reportCallIssue, reportArgumentType]  (declared as a list of None)
