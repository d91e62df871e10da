"""A world small enough to know by heart: every action is the place where a red dot is next; a green square is the goal.

It comes as recordings (`DotSource`), as an environment (`DotEnv`) and as models: `DotModel` makes no
error, `CopyLastModel` repeats the last frame, `DeafModel` moves the dot where it likes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium
import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float32, UInt8
from torch import Tensor

from worldmodel.models.instructions import Text
from worldmodel.types import ActionDim, ActionSpec, EmbodimentSpec, Episode

SIZE_PX = 32
DOT_PX, GOAL_PX = 4, 6
LOW_PX, HIGH_PX = 4, 28
PAPER, RED, GREEN = (220, 220, 220), (230, 30, 30), (30, 200, 30)
FPS = 10.0

DOT = EmbodimentSpec(
    name="dot",
    action=ActionSpec(
        dims=tuple(ActionDim(name, low=0.0, high=float(SIZE_PX), unit="px") for name in ("x", "y")),
        points=((0, 1),),
    ),
    state_low=[0.0, 0.0],
    state_high=[float(SIZE_PX), float(SIZE_PX)],
    fps=FPS,
    state_points=[[0, 1]],
)


def draw(dot: np.ndarray, goal: np.ndarray) -> UInt8[np.ndarray, "h w 3"]:
    frame = np.full((SIZE_PX, SIZE_PX, 3), PAPER, np.uint8)
    for place, side, colour in ((goal, GOAL_PX, GREEN), (dot, DOT_PX, RED)):
        x, y = np.round(place).astype(int)
        frame[y - side // 2 : y + side // 2, x - side // 2 : x + side // 2] = colour
    return frame


def find(frame: UInt8[np.ndarray, "h w 3"], colour: tuple[int, int, int]) -> Float32[np.ndarray, "2"]:
    """Middle of the box around all pixels of a colour; exact, since the dot never hides a whole side of the goal."""
    rows, columns = np.nonzero((frame == colour).all(-1))
    return np.array((columns.min() + columns.max() + 1, rows.min() + rows.max() + 1), np.float32) / 2


def make_episode(index: int, frames: int, seed: int = 0) -> Episode:
    """A dot that jumps to random whole pixels."""
    rng = np.random.default_rng((seed, index))
    places = rng.integers(LOW_PX, HIGH_PX + 1, (frames + 1, 2)).astype(np.float32)
    goal = rng.integers(LOW_PX, HIGH_PX + 1, 2).astype(np.float32)
    return Episode(
        frames={"top": np.stack([draw(place, goal) for place in places[:-1]])},
        actions=places[1:],
        action_mask=np.ones(frames, bool),
        fps=FPS,
        embodiment="dot",
        episode_id=str(index),
        source="dots",
        licence="CC0-1.0",
        state=places[:-1],
    ).validate()


class DotSource:
    """Recordings in memory, of the given lengths."""

    def __init__(self, lengths: Sequence[int] = (40, 30, 50), seed: int = 0) -> None:
        self.path = "dots"
        self.format = "memory"
        self.embodiments: Sequence[EmbodimentSpec] = [DOT]
        self.episodes = [make_episode(index, frames, seed) for index, frames in enumerate(lengths)]

    def __len__(self) -> int:
        return len(self.episodes)

    def __getitem__(self, index: int) -> Episode:
        return self.episodes[index]


@dataclass(frozen=True)
class DotConfig:
    """What there is to say about a model without weights."""

    sampling_steps: int = 1
    execute: int = 8


class DotModel:
    """Knows the world: dreams are exact, actions are read off the pictures, `act` walks straight to the goal."""

    embodiments: Sequence[EmbodimentSpec] = (DOT,)
    frame_size = (SIZE_PX, SIZE_PX)
    frames_per_latent = 1
    context_frames = 4
    chunk_length = 8
    reads_text = False
    config = DotConfig()

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []  # method, batch size

    def imagine(
        self,
        context_frames: UInt8[np.ndarray, "b t h w 3"],
        actions: Float32[np.ndarray, "b k a"],
        *,
        context_actions: Float32[np.ndarray, "b t-1 a"] | None = None,
        steps: int | None = None,
        seed: int = 0,
        embodiment: str | None = None,
        text: Text = None,
    ) -> UInt8[np.ndarray, "b k h w 3"]:
        self.calls.append(("imagine", len(actions)))
        goals = [find(frames[-1], GREEN) for frames in context_frames]
        return np.stack([[draw(place, goal) for place in row] for row, goal in zip(actions, goals, strict=True)])

    def infer_actions(
        self, frames: UInt8[np.ndarray, "b t h w 3"] | Tensor, *, embodiment: str | None = None, seed: int = 0
    ) -> Float32[np.ndarray, "b k a"]:
        return np.stack([[find(frame, RED) for frame in row[1:]] for row in self.shown(frames)])

    def act(
        self,
        context_frames: UInt8[np.ndarray, "b t h w 3"] | Tensor,
        state: Float32[np.ndarray, "b s"] | None = None,
        text: Text = None,
        *,
        seed: int = 0,
        steps: int | None = None,
        embodiment: str | None = None,
    ) -> Float32[np.ndarray, "b k a"]:
        self.calls.append(("act", len(context_frames)))
        frames = self.decode(context_frames) if isinstance(context_frames, Tensor) else context_frames
        return self._walk(frames, self.chunk_length)

    def judge(
        self,
        frames: UInt8[np.ndarray, "b t h w 3"],
        actions: Float32[np.ndarray, "b t-1 a"],
        *,
        embodiment: str | None = None,
        text: Text = None,
    ) -> tuple[Float32[np.ndarray, "b t-1"], Float32[np.ndarray, "b t-1"]]:
        x = np.array([[find(frame, RED)[0] for frame in row[1:]] for row in frames], np.float32) / SIZE_PX
        return x, x

    def imagine_joint(
        self,
        context_frames: UInt8[np.ndarray, "b t h w 3"],
        steps: int = 16,
        *,
        seed: int = 0,
        sampling_steps: int | None = None,
        embodiment: str | None = None,
        text: Text = None,
    ) -> tuple[UInt8[np.ndarray, "b k h w 3"], Float32[np.ndarray, "b k a"]]:
        actions = self._walk(context_frames, steps)
        return DotModel.imagine(self, context_frames, actions), actions

    def imagine_video(
        self,
        context_frames: UInt8[np.ndarray, "b t h w 3"],
        steps: int = 16,
        *,
        seed: int = 0,
        sampling_steps: int | None = None,
    ) -> UInt8[np.ndarray, "b k h w 3"]:
        return DotModel.imagine(self, context_frames, self._walk(context_frames, steps))

    def shown(self, frames: UInt8[np.ndarray, "b t h w 3"] | Tensor) -> UInt8[np.ndarray, "b t h w 3"]:
        """Pictures, also of latents."""
        return self.decode(frames) if isinstance(frames, Tensor) else frames

    def encode(self, frames: UInt8[np.ndarray, "b t h w 3"]) -> Tensor:
        return rearrange(torch.from_numpy(frames) / 255.0, "b t (h p) (w q) c -> b t h w (p q c)", p=8, q=8)

    def decode(self, latents: Tensor) -> UInt8[np.ndarray, "b t h w 3"]:
        pixels = rearrange(latents, "b t h w (p q c) -> b t (h p) (w q) c", p=8, q=8)
        return (pixels * 255.0).round().to(torch.uint8).numpy()

    def _walk(self, context_frames: np.ndarray, steps: int) -> Float32[np.ndarray, "b k a"]:
        share = (np.arange(1, steps + 1, dtype=np.float32) / steps)[:, None]
        dots = [find(frames[-1], RED) for frames in context_frames]
        goals = [find(frames[-1], GREEN) for frames in context_frames]
        return np.stack([np.round(dot + share * (goal - dot)) for dot, goal in zip(dots, goals, strict=True)])


class CopyLastModel(DotModel):
    """Dreams that nothing moves."""

    def imagine(
        self, context_frames: np.ndarray, actions: np.ndarray, **options: Any
    ) -> UInt8[np.ndarray, "b k h w 3"]:
        return np.repeat(context_frames[:, -1:], actions.shape[1], axis=1)


class DeafModel(DotModel):
    """Dreams sharp pictures that do not follow the actions."""

    def imagine(
        self, context_frames: np.ndarray, actions: np.ndarray, *, seed: int = 0, **options: Any
    ) -> UInt8[np.ndarray, "b k h w 3"]:
        rng = np.random.default_rng(seed)
        own = rng.integers(LOW_PX, HIGH_PX + 1, actions.shape).astype(np.float32)
        return super().imagine(context_frames, own)


class DotEnv(gymnasium.Env[dict[str, np.ndarray], np.ndarray]):
    """Reach the goal: reward is 1 less the distance in widths of the picture; 20 steps at most.

    Observation: ``pixels`` uint8 (32 32 3), ``agent_pos`` float32 (2,).
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": [], "render_fps": FPS}
    task = "dot"
    task_description = "Move the dot onto the square."
    max_steps = 20

    def __init__(self) -> None:
        self.observation_space = gymnasium.spaces.Dict(
            {
                "pixels": gymnasium.spaces.Box(0, 255, (SIZE_PX, SIZE_PX, 3), np.uint8),
                "agent_pos": gymnasium.spaces.Box(0, SIZE_PX, (2,), np.float32),
            }
        )
        self.action_space = gymnasium.spaces.Box(LOW_PX, HIGH_PX, (2,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        super().reset(seed=seed)
        self.dot, self.goal = self.np_random.integers(LOW_PX, HIGH_PX + 1, (2, 2)).astype(np.float32)
        self.steps = 0
        return self._observe(), {"is_success": False}

    def step(self, action: np.ndarray) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        self.dot = np.clip(np.round(action), LOW_PX, HIGH_PX).astype(np.float32)
        self.steps += 1
        distance = float(np.linalg.norm(self.dot - self.goal))
        success = distance < 1.0
        reward = max(0.0, 1.0 - distance / SIZE_PX)
        return self._observe(), reward, success, self.steps >= self.max_steps, {"is_success": success}

    def _observe(self) -> dict[str, np.ndarray]:
        return {"pixels": draw(self.dot, self.goal), "agent_pos": self.dot.copy()}
