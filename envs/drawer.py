"""Drawer: pull it open, or push it shut, by its handle."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from envs.scene import Scene, nearness
from worldmodel.types import InputError

DESCRIPTIONS = {"open": "Open the drawer.", "close": "Close the drawer."}
TRAVEL_M = 0.15
OPEN_FROM_M, SHUT_BELOW_M = 0.12, 0.01


class Drawer(Scene):
    """Open or close the drawer; see `envs.scene.Scene` for observation, action and the other options.

    Reward: ``0.3 * nearness(hand to handle, 0.2 m) + 0.6 * share of the way``; success, reward 1: pulled out by at
    least 12 of 15 cm, or by less than 1 cm for ``task="close"``.

    Args:
        task: ``"open"`` a drawer that is nearly shut, or ``"close"`` one that is nearly open.
        size: see `Scene`.
        cameras: see `Scene`.
        level: see `Scene`.
        hold: see `Scene`.
        render_mode: see `Scene`.

    Raises:
        InputError: unknown task, or as `Scene`.
    """

    asset = "drawer.xml"

    def __init__(
        self,
        task: str = "open",
        size: int = 64,
        cameras: str | Sequence[str] = "fixed",
        level: int = 0,
        hold: int = 1,
        shake: float = 0.0,
        render_mode: str | None = "rgb_array",
    ) -> None:
        if task not in DESCRIPTIONS:
            raise InputError(f"Drawer: task {task!r} is unknown, wanted one of: {', '.join(DESCRIPTIONS)}")
        self.task, self.task_description = task, DESCRIPTIONS[task]
        super().__init__(size, cameras, level, hold, shake, render_mode)

    @property
    def privileged_state(self) -> dict[str, Float64[np.ndarray, "n"]]:
        """``hand`` (3,), ``target`` (3,) that it is drawn to, ``handle`` (3,), ``pulled_out`` (1,)."""
        handle, pulled_out = self.data.site("handle").xpos.copy(), self.data.joint("drawer").qpos.copy()
        return {"hand": self.hand, "target": self._target.copy(), "handle": handle, "pulled_out": pulled_out}

    def _arrange(self) -> None:
        self.model.body("cabinet").pos[:2] = self.np_random.uniform((-0.11, 0.19), (0.11, 0.23))
        start = self.np_random.uniform(0, 0.02)
        self.data.joint("drawer").qpos[0] = start if self.task == "open" else TRAVEL_M - 2 * start

    def _judge(self) -> tuple[float, bool]:
        at = self.privileged_state
        pulled_out = float(at["pulled_out"][0])
        out = float(np.clip(pulled_out / TRAVEL_M, 0, 1))
        opening = self.task == "open"
        reach = float(np.linalg.norm(at["hand"] - at["handle"]))
        done = pulled_out >= OPEN_FROM_M if opening else pulled_out < SHUT_BELOW_M
        return 0.3 * nearness(reach, 0.2) + 0.6 * (out if opening else 1 - out), done
