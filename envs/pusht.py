"""Push-T: a round pusher shoves a T-shaped block onto its mark; gym-pusht with the observations of this house.

The human recordings (Diffusion Policy, Chi et al. 2023) are the 512 px canvas shrunk to 96 px. Smaller sizes are made
from it by `resize_frames`, exactly as recordings are, so that a model cannot tell the simulator from the data.
"""

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gym_pusht.envs.pusht import PushTEnv
from gymnasium import spaces
from jaxtyping import Float64, UInt8

from worldmodel.data.embodiments import PUSHT
from worldmodel.data.frames import check_frame_size, resize_frames
from worldmodel.types import InputError

CANVAS_PX = 512
RECORDED_PX = 96
RENDER_PX = 384


class PushT(gymnasium.Env[dict[str, Any], np.ndarray]):
    """Push the T onto its mark.

    Observation: ``pixels`` uint8 (size size 3) and ``agent_pos`` float32 (2,), the pusher's place in px of a 512 px
    canvas. Action: the place that the pusher is drawn to, in the same px. Reward: gym-pusht's (share of the mark that
    is covered, 1 from 95 % on, where the episode ends). ``info``: ``is_success``, ``coverage``, gym-pusht's poses.

    Args:
        size: height and width of ``pixels``, divisible by 16.
        render_mode: ``"rgb_array"`` or None.

    Raises:
        InputError: size is not divisible by 16.
    """

    metadata: ClassVar[dict[str, Any]] = {  # pyright: ignore[reportIncompatibleVariableOverride]
        "render_modes": ["rgb_array"],
        "render_fps": 10,
    }
    task = "push-t"
    task_description = "Push the T-shaped block onto the T-shaped target."
    embodiment = PUSHT

    def __init__(self, size: int = 96, render_mode: str | None = "rgb_array") -> None:
        check_frame_size(size, size, "Push-T")
        self.size = size
        self.render_mode = render_mode
        drawn_px = max(size, RECORDED_PX)
        self._sim = PushTEnv(
            obs_type="state",  # the cheapest of its observations; `_observe` draws ours
            observation_width=drawn_px,
            observation_height=drawn_px,
            visualization_width=RENDER_PX,
            visualization_height=RENDER_PX,
        )
        self.observation_space: spaces.Space[dict[str, Any]] = spaces.Dict(
            {
                "pixels": spaces.Box(0, 255, (size, size, 3), np.uint8),
                "agent_pos": spaces.Box(0.0, CANVAS_PX, (2,), np.float32),
            }
        )
        self.action_space = spaces.Box(PUSHT.action.low, PUSHT.action.high, dtype=np.float32)

    @property
    def state(self) -> Float64[np.ndarray, "5"]:
        """Pusher x, y, block x, y in px, block angle in [0, 2 pi): the layout of the human recordings."""
        agent, block = self._sim.agent, self._sim.block
        return np.array([*agent.position, *block.position, block.angle % (2 * np.pi)])

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Starts an episode from gym-pusht's own draw for ``seed``, or from ``options["state"]`` (see `state`)."""
        super().reset(seed=seed)
        _, info = self._sim.reset(seed=seed)
        if options and "state" in options:
            self._place(np.asarray(options["state"], np.float64))
            info = {**self._sim._get_info(), "is_success": False}
        info["coverage"] = self._sim._get_coverage()
        return self._observe(), info

    def step(self, action: np.ndarray) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        _, reward, terminated, _, info = self._sim.step(np.asarray(action, np.float64))
        info["is_success"] = bool(info["is_success"])
        return self._observe(), float(reward), bool(terminated), False, info

    def render(self) -> UInt8[np.ndarray, "384 384 3"]:
        """Returns a large picture with a cross at the latest action."""
        return np.asarray(self._sim.render())

    def close(self) -> None:
        self._sim.close()

    def _observe(self) -> dict[str, np.ndarray]:
        # A fast pusher overshoots the canvas by a few px; the observation stays inside its space.
        agent_pos = np.clip(self.state[:2], 0, CANVAS_PX).astype(np.float32)
        pixels = np.asarray(self._sim._render())
        return {"pixels": resize_frames(pixels[None], self.size, self.size)[0], "agent_pos": agent_pos}

    def _place(self, state: Float64[np.ndarray, "n"]) -> None:
        if state.shape != (5,) or not np.isfinite(state).all():
            raise InputError(f"Push-T: state {state.tolist()}, wanted 5 finite numbers: pusher x y, block x y, angle")
        # A physics step finds the contacts of this state (they are drawn as marks) and forgets those of the state
        # before; it also pushes overlapping bodies apart, so the state is put once more.
        self._put(state)
        self._sim.space.step(self._sim.dt)
        self._put(state)

    def _put(self, state: Float64[np.ndarray, "5"]) -> None:
        # gym-pusht sets the position before the angle, and turning moves a body whose centre of gravity is off its
        # origin. The other order puts both; reindexing moves the shapes, which is what is drawn.
        agent, block = self._sim.agent, self._sim.block
        agent.position, agent.velocity = tuple(state[:2]), (0, 0)
        block.angle = float(state[4])
        block.position = tuple(state[2:4])
        block.velocity, block.angular_velocity = (0, 0), 0.0
        for body in (agent, block):
            self._sim.space.reindex_shapes_for_body(body)
