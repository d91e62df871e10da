"""An environment that counts: its picture shows the steps taken (left half) and the latest action (right half)."""

from typing import Any

import gymnasium
import numpy as np

from worldmodel.types import ActionDim, ActionSpec, EmbodimentSpec, InputError

SIZE_PX = 32
GREY_STEP = 8  # levels of grey between successive numbers, far more than a video codec loses
COUNTING = EmbodimentSpec(
    "counting", ActionSpec((ActionDim("number", low=0.0, high=30.0, unit="1"),)), [0.0], [30.0], fps=5.0
)


class CountingEnv(gymnasium.Env[dict[str, Any], np.ndarray]):
    """Counts from a start that the seed decides."""

    metadata = {"render_modes": [], "render_fps": 5}  # noqa: RUF012
    embodiment = COUNTING
    task_description = "count"

    def __init__(self, success_at: int | None = None, events: bool = False) -> None:
        self.success_at, self.events = success_at, events
        self.observation_space = gymnasium.spaces.Dict(
            {
                "pixels": gymnasium.spaces.Box(0, 255, (SIZE_PX, SIZE_PX, 3), np.uint8),
                "agent_pos": gymnasium.spaces.Box(0.0, 30.0, (1,), np.float32),
            }
        )
        self.action_space = gymnasium.spaces.Box(0.0, 30.0, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self._count, self._latest, self._ticks = int(self.np_random.integers(0, 8)), 0, 0
        return self._observe(), {}

    def step(self, action: np.ndarray):
        self._count, self._latest = self._count + 1, int(action[0])
        done = self._count == self.success_at
        info: dict[str, Any] = {"is_success": done}
        if self.events:
            info["events"] = [{"tick": self._ticks, "kind": "count", "what": f"{self._latest} · {i}"} for i in range(2)]
        self._ticks += 1
        return self._observe(), float(action[0]), done, False, info

    def _observe(self) -> dict[str, np.ndarray]:
        pixels = np.empty((SIZE_PX, SIZE_PX, 3), np.uint8)
        pixels[:, : SIZE_PX // 2], pixels[:, SIZE_PX // 2 :] = GREY_STEP * self._count, GREY_STEP * self._latest
        return {"pixels": pixels, "agent_pos": np.array([self._count], np.float32)}


class CountingPolicy:
    """Names numbers at random."""

    def reset(self, seed: int | None = None) -> None:
        self._rng = np.random.default_rng(seed)

    def act(self, observation: Any) -> np.ndarray:
        return self._rng.integers(1, 30, 1).astype(np.float32)


def make_policy(env: gymnasium.Env) -> CountingPolicy:
    return CountingPolicy()


class BrokenPolicy(CountingPolicy):
    """Knows no number."""

    def act(self, observation: Any) -> np.ndarray:
        raise InputError("policy: knows no number, wanted one")


def make_broken_policy(env: gymnasium.Env) -> CountingPolicy:
    return BrokenPolicy()


def read_numbers(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Reads the count and the latest action off pictures (t h w 3)."""
    halves = frames[:, :, : SIZE_PX // 2], frames[:, :, SIZE_PX // 2 :]
    count, latest = (np.round(half.mean((1, 2, 3)) / GREY_STEP).astype(int) for half in halves)
    return count, latest


gymnasium.register("worldmodel-tests/Counting-v0", entry_point=CountingEnv, max_episode_steps=12)
ENV_ID = "worldmodel-tests/Counting-v0"
