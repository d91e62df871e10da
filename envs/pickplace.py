"""PickPlace: grasp a cube and let it go in a bin."""

import numpy as np
from jaxtyping import Float64

from envs.scene import Scene, draw_apart, nearness, upright

INSIDE_M = 0.05  # half of the bin's inner side
RIM_M = 0.04
LET_GO_M = 0.05  # between hand and cube
CARRY_M = 0.08  # height above the table that counts as lifted


class PickPlace(Scene):
    """Put the cube into the bin; see `envs.scene.Scene` for observation, action and options.

    Reward: ``0.2 * nearness(hand to cube, 0.2 m) + 0.2 * height of the cube (all of it from 8 cm, and inside the bin)
    + 0.5 * nearness(cube to the bin's middle, along the table, 0.15 m)``; success, reward 1: the cube lies below the
    rim, inside, and the hand is at least 5 cm away.
    """

    task = "pick-place"
    task_description = "Put the cube into the bin."
    asset = "pickplace.xml"

    @property
    def privileged_state(self) -> dict[str, Float64[np.ndarray, "n"]]:
        """``hand`` (3,), ``target`` (3,) that it is drawn to, ``cube`` (3,), ``bin`` (3,), ``opening`` (1,)."""
        cube, container = self.data.body("cube").xpos.copy(), self.data.body("bin").xpos.copy()
        opening = np.array([self.opening])
        return {"hand": self.hand, "target": self._target.copy(), "cube": cube, "bin": container, "opening": opening}

    def _arrange(self) -> None:
        cube, container = draw_apart(self.np_random, (-0.15, -0.13), (0.15, 0.13), apart=0.15)
        self.data.joint("cube").qpos[:2] = cube
        # The fingers close along x; a cube turned further than this is turned back by them.
        self.data.joint("cube").qpos[3:] = upright(self.np_random.uniform(-0.5, 0.5))
        self.model.body("bin").pos[:2] = container

    def _judge(self) -> tuple[float, bool]:
        at = self.privileged_state
        offset = at["cube"] - at["bin"]
        inside = bool(np.abs(offset[:2]).max() < INSIDE_M and offset[2] < RIM_M)
        reach = float(np.linalg.norm(at["hand"] - at["cube"]))
        lifted = 1.0 if inside else float(np.clip(at["cube"][2] / CARRY_M, 0, 1))
        near = nearness(float(np.linalg.norm(offset[:2])), 0.15)
        return 0.2 * nearness(reach, 0.2) + 0.2 * lifted + 0.5 * near, inside and reach > LET_GO_M
