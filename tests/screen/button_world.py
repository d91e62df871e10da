"""A screen with one box that changes its colour when it is pressed, and models of it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8
from torch import Tensor

from tests.dot_world import DotModel
from worldmodel.data.screen import screen_spec
from worldmodel.screen.pointer import draw_pointer, find_pointer
from worldmodel.types import EmbodimentSpec, Episode

HEIGHT, WIDTH = 64, 96
SCREEN = screen_spec(HEIGHT, WIDTH)
LEFT = SCREEN.action.names.index("left")
BOX = (slice(8, 32), slice(8, 40))
OUTSIDE = (60.0, 20.0)
PAPER, COLOURS = (230, 230, 230), ((60, 60, 200), (220, 180, 40))


def draw(place: Sequence[float] | np.ndarray, lit: bool) -> UInt8[np.ndarray, "h w 3"]:
    picture = np.full((HEIGHT, WIDTH, 3), PAPER, np.uint8)
    picture[BOX] = COLOURS[int(lit)]
    draw_pointer(picture, int(place[0]), int(place[1]))
    return picture


def hits(action: np.ndarray) -> bool:
    x, y = action[:2]
    return BOX[1].start <= x < BOX[1].stop and BOX[0].start <= y < BOX[0].stop and action[LEFT] > 0.5


def is_lit(picture: UInt8[np.ndarray, "h w 3"]) -> bool:
    inside = picture[BOX].reshape(-1, 3)
    return bool((inside == COLOURS[1]).all(1).sum() > (inside == COLOURS[0]).all(1).sum())


def play(actions: np.ndarray, place: Sequence[float] | np.ndarray, lit: bool) -> UInt8[np.ndarray, "k h w 3"]:
    """Pictures after each of the actions."""
    pictures, down = [], False
    for action in actions:
        lit = lit != (hits(action) and not down)
        down = action[LEFT] > 0.5
        pictures.append(draw(action[:2], lit))
    return np.stack(pictures) if pictures else np.zeros((0, HEIGHT, WIDTH, 3), np.uint8)


def make_episode(index: int, frames: int = 90) -> Episode:
    """A pointer that wanders, and every ten ticks presses on the box, or, every other time, outside of it."""
    rng = np.random.default_rng(index)
    actions, events = np.zeros((frames, len(SCREEN.action)), np.float32), []
    actions[:, 0], actions[:, 1] = rng.integers(44, WIDTH - 12, frames), rng.integers(34, HEIGHT - 18, frames)
    for number, tick in enumerate(range(6, frames - 8, 10)):
        place = (20.0, 12.0) if number % 2 else OUTSIDE
        actions[tick : tick + 2, :2] = place
        actions[tick, LEFT] = 1.0
        role = "button" if number % 2 else None
        events += [{"tick": tick, "kind": kind, "button": "left", "role": role} for kind in ("press", "release")]
    shown = play(actions[:-1], actions[0, :2], lit=False)
    return Episode(
        frames={"screen": np.concatenate([draw(actions[0, :2], lit=False)[None], shown])},
        actions=actions,
        action_mask=np.ones(frames, bool),
        fps=SCREEN.fps,
        embodiment="screen",
        episode_id=str(index),
        source="buttons",
        state=actions[:, :2],
        text=f"Press box {index}",
        events=events,
    ).validate()


class ButtonSource:
    """Recordings in memory."""

    path = "buttons"
    embodiments: Sequence[EmbodimentSpec] = [SCREEN]

    def __init__(self, episodes: int = 4) -> None:
        self.episodes = [make_episode(index) for index in range(episodes)]

    def __len__(self) -> int:
        return len(self.episodes)

    def __getitem__(self, index: int) -> Episode:
        return self.episodes[index]


class ButtonModel(DotModel):
    """Knows the world, and reads pointer and presses that change something off the pictures."""

    embodiments: Sequence[EmbodimentSpec] = (SCREEN,)
    frame_size = (HEIGHT, WIDTH)

    def imagine(
        self, context_frames: np.ndarray, actions: np.ndarray, **options: Any
    ) -> UInt8[np.ndarray, "b k h w 3"]:
        return np.stack([play(a, (0, 0), is_lit(c[-1])) for c, a in zip(context_frames, actions, strict=True)])

    def infer_actions(
        self, frames: UInt8[np.ndarray, "b t h w 3"] | Tensor, *, embodiment: str | None = None, seed: int = 0
    ) -> Float32[np.ndarray, "b k a"]:
        frames = self.shown(frames)
        actions = np.zeros((len(frames), frames.shape[1] - 1, len(SCREEN.action)), np.float32)
        for row, tick in np.ndindex(*actions.shape[:2]):
            actions[row, tick, :2] = find_pointer(frames[row, tick + 1]) or (0, 0)
            actions[row, tick, LEFT] = is_lit(frames[row, tick]) != is_lit(frames[row, tick + 1])
        return actions


class DeadModel(ButtonModel):
    """Follows the pointer, but nothing ever answers."""

    def imagine(
        self, context_frames: np.ndarray, actions: np.ndarray, **options: Any
    ) -> UInt8[np.ndarray, "b k h w 3"]:
        still = [[draw(a[:2], is_lit(c[-1])) for a in row] for c, row in zip(context_frames, actions, strict=True)]
        return np.stack(still)


class NervousModel(ButtonModel):
    """Something changes all the time, and the pointer is not shown."""

    def imagine(
        self, context_frames: np.ndarray, actions: np.ndarray, **options: Any
    ) -> UInt8[np.ndarray, "b k h w 3"]:
        dreamed = np.full((*actions.shape[:2], HEIGHT, WIDTH, 3), 120, np.uint8)
        dreamed[:, :, 40:] = 30
        return dreamed
