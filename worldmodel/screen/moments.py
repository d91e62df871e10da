"""Moments of recorded screens at which to ask what happens next: presses of the left button, and others without any."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8

from worldmodel.data.cameras import camera_frames
from worldmodel.data.frames import resize_frames
from worldmodel.screen.events import events_in
from worldmodel.types import ActionSpec, Episode, EpisodeSource, InputError

SETTLED = 5
"""Frames after a press until which the screen has answered."""


@dataclass
class Moment:
    """A stretch of an episode in which something may happen.

    Attributes:
        kind: what the episode is about: its instruction's first words stand for the task.
        frames: the context, and `SETTLED` frames more.
        actions: those between the frames; with the first one after the context, the button goes down, or nothing does.
        text: instruction, or None.
    """

    kind: str
    frames: UInt8[np.ndarray, "t h w 3"]
    actions: Float32[np.ndarray, "t-1 a"]
    text: str | None


def choose_moments(
    source: EpisodeSource,
    *,
    context: int,
    count: int,
    frame_size: tuple[int, int],
    embodiment: str,
    camera: str | None = None,
    seed: int = 0,
) -> list[Moment]:
    """Chooses moments, as many with a press as without where there are so many of both; the same for a seed.

    Args:
        source: recordings of screens.
        context: frames before the moment.
        count: wanted number; fewer come back where there are no more.
        frame_size: height and width that the frames are brought to.
        embodiment: episodes of others are skipped.
        camera: see `camera_frames`.
        seed: of the choice.

    Raises:
        InputError: there is not a single press that the recording goes on after.
    """
    rng = np.random.default_rng(seed)
    candidates: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    for index in range(len(source)):
        episode = source[index]
        if episode.embodiment == embodiment:
            spec = next(body.action for body in source.embodiments if body.name == embodiment)
            for found, ticks in zip(candidates, _ticks(spec, episode, context), strict=True):
                found.extend((index, tick) for tick in ticks)
    if not candidates[0]:
        raise InputError(f"{source.path}: no press of a button with {context} frames before and {SETTLED} after it")
    chosen = []
    for found in candidates:
        picked = rng.permutation(len(found))[: count // 2]
        chosen += [found[number] for number in picked]
    moments, by_episode = [], sorted(chosen)
    last, episode = -1, None
    for index, tick in by_episode:
        if index != last:
            last, episode = index, source[index]
        assert episode is not None
        moments.append(_cut(episode, tick, context, frame_size, camera))
    return moments


def _ticks(spec: ActionSpec, episode: Episode, context: int) -> tuple[list[int], list[int]]:
    """Ticks at which the left button goes down, and ticks around which nothing but the pointer moves."""
    events = events_in(spec, episode.actions)
    busy = np.zeros(len(episode), bool)
    for index, dim in enumerate(spec.dims):
        if dim.kind == "binary":
            busy |= episode.actions[:, index] > (dim.low + dim.high) / 2
    for ticks in events.values():
        busy[list(ticks)] = True
    usable = [
        tick
        for tick in range(context - 1, len(episode) - SETTLED)
        if episode.action_mask[tick - context + 1 : tick + SETTLED].all()
    ]
    pressed = set(events.get("left", {}))
    quiet = [tick for tick in usable if not busy[max(0, tick - SETTLED) : tick + SETTLED].any()]
    return [tick for tick in usable if tick in pressed], quiet


def _cut(episode: Episode, tick: int, context: int, frame_size: tuple[int, int], camera: str | None) -> Moment:
    first, end = tick - context + 1, tick + SETTLED + 1
    frames = resize_frames(camera_frames(episode, camera)[first:end], *frame_size)
    kind = " ".join((episode.text or "without instruction").split()[:2])
    return Moment(kind, frames.copy(), episode.actions[first : end - 1].copy(), episode.text)
