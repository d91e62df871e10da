"""TablePush: push a block to a marked place, with the gripper closed or open."""

import numpy as np
from jaxtyping import Float64

from envs.scene import Scene, draw_apart, nearness, upright

REACHED_M = 0.025  # between the middles of block and mark


class TablePush(Scene):
    """Push the block onto the mark; see `envs.scene.Scene` for observation, action and options.

    Reward: ``0.2 * nearness(hand to block, 0.2 m) + 0.7 * nearness(block to mark, 0.15 m)``; success, reward 1: the
    middles of block and mark are within 2.5 cm.
    """

    task = "table-push"
    task_description = "Push the block onto the marked place."
    asset = "tablepush.xml"

    @property
    def privileged_state(self) -> dict[str, Float64[np.ndarray, "n"]]:
        """``hand`` (3,), ``target`` (3,) that it is drawn to, ``block`` (3,), ``mark`` (3,)."""
        block, mark = self.data.body("block").xpos.copy(), self.data.body("mark").xpos.copy()
        return {"hand": self.hand, "target": self._target.copy(), "block": block, "mark": mark}

    def _arrange(self) -> None:
        block, mark = draw_apart(self.np_random, (-0.14, -0.12), (0.14, 0.12), apart=0.1)
        self.data.joint("block").qpos[:2] = block
        self.data.joint("block").qpos[3:] = upright(self.np_random.uniform(-np.pi, np.pi))
        self.model.body("mark").pos[:2] = mark

    def _judge(self) -> tuple[float, bool]:
        at = self.privileged_state
        left = float(np.linalg.norm(at["block"][:2] - at["mark"][:2]))
        reach = float(np.linalg.norm(at["hand"] - at["block"]))
        return 0.2 * nearness(reach, 0.2) + 0.7 * nearness(left, 0.15), left < REACHED_M
