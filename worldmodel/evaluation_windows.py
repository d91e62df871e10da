"""Chooses the windows that dreams are measured on: spread over episodes, never overlapping, the same for a seed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from rich.progress import track

from worldmodel.data.cameras import camera_frames
from worldmodel.data.frames import resize_frames
from worldmodel.types import Episode, EpisodeSource, InputError


class TooShort(InputError):
    """No episode of a dataset has as many frames in a row as a window needs."""


@dataclass
class Window:
    """A stretch of an episode.

    Attributes:
        episode: index into the source.
        start: first frame.
        fps: frames per second.
        frames: context and future, at the model's size.
        actions: those between the frames.
        other_actions: another episode's from the same position (or its last ones, where it is shorter); None if there
            is no other episode.
        text: instruction, or None.
        reward: earned by the actions, or None.
        success: whether each action reached the goal, or None.
    """

    episode: int
    start: int
    fps: float
    frames: UInt8[np.ndarray, "t h w 3"]
    actions: Float32[np.ndarray, "t-1 a"]
    other_actions: Float32[np.ndarray, "t-1 a"] | None = None
    text: str | None = None
    reward: Float32[np.ndarray, "t-1"] | None = None
    success: Bool[np.ndarray, "t-1"] | None = None


def choose_windows(
    source: EpisodeSource,
    *,
    length: int,
    count: int,
    frame_size: tuple[int, int],
    embodiment: str,
    actions_known: bool = True,
    camera: str | None = None,
    seed: int = 0,
    progress: bool = False,
) -> list[Window]:
    """Reads windows of an embodiment's episodes; only their pictures are kept in memory.

    Args:
        source: recordings.
        length: frames in a window.
        count: wanted number; fewer come back if the recordings are too short.
        frame_size: height and width that the frames are brought to.
        embodiment: episodes of others are skipped.
        actions_known: only windows whose actions are all known.
        camera: see `camera_frames`; every episode's first unless given.
        seed: moves the windows about.
        progress: show a progress bar.

    Raises:
        InputError: not a single window of that length (with known actions).
    """
    rng = np.random.default_rng(seed)
    windows: list[Window] = []
    recorded: dict[int, Float32[np.ndarray, "_ a"]] = {}
    missing = 0
    plan = list(_quotas(len(source), count, rng))
    for index, quota in track(plan, "reading recordings", disable=not progress):
        episode = source[index]
        if episode.embodiment != embodiment:
            missing += quota
            continue
        starts = _starts(len(episode), length, quota + missing, rng)
        if actions_known:
            starts = [start for start in starts if episode.action_mask[start : start + length - 1].all()]
        missing += quota - len(starts)
        windows += [_cut(episode, index, start, length, frame_size, camera) for start in starts]
        if starts:
            # The last action leads to no recorded frame and may be unknown.
            recorded[index] = episode.actions[:-1] if episode.action_mask[:-1].all() else episode.actions[:0]
    if not windows:
        wanted = f"{length} frames in a row{' with known actions' * actions_known} of embodiment {embodiment!r}"
        raise TooShort(f"{source.path}: no {wanted}, wanted at least one")
    for window in windows:
        window.other_actions = _borrow(window, recorded, rng)
    return windows


def _quotas(episodes: int, count: int, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Yields (episode, number of windows wanted from it), evenly over the episodes."""
    if count < episodes:
        for index in np.floor((np.arange(count) + rng.random()) * episodes / count).astype(int):
            yield int(index), 1
    else:
        shares = np.diff(np.floor(np.arange(episodes + 1) * count / episodes).astype(int)) if episodes else ()
        yield from ((index, int(share)) for index, share in enumerate(shares))


def _starts(frames: int, length: int, count: int, rng: np.random.Generator) -> list[int]:
    """Draws starts of windows that do not overlap, as many as fit and are wanted."""
    count = min(count, frames // length)
    gaps = np.sort(rng.integers(0, frames - count * length + 1, count))
    return [int(start) for start in gaps + length * np.arange(count)]


def _cut(
    episode: Episode, index: int, start: int, length: int, frame_size: tuple[int, int], camera: str | None
) -> Window:
    frames = resize_frames(camera_frames(episode, camera)[start : start + length], *frame_size)
    between = slice(start, start + length - 1)
    # Copies, or the whole episode would stay in memory.
    return Window(
        index,
        start,
        episode.fps,
        frames.copy(),
        episode.actions[between].copy(),
        text=episode.text,
        reward=None if episode.reward is None else episode.reward[between].copy(),
        success=None if episode.success is None else episode.success[between].copy(),
    )


def _borrow(
    window: Window, recorded: dict[int, Float32[np.ndarray, "_ a"]], rng: np.random.Generator
) -> Float32[np.ndarray, "n a"] | None:
    wanted = len(window.actions)
    others = {
        index: actions for index, actions in recorded.items() if index != window.episode and len(actions) >= wanted
    }
    if not others:
        return None
    reaching = [index for index, actions in others.items() if len(actions) >= window.start + wanted]
    chosen = others[int(rng.choice(reaching or list(others)))]
    start = min(window.start, len(chosen) - wanted)
    return chosen[start : start + wanted]
