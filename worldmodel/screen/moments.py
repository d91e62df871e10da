"""Moments of recorded screens at which to ask what happens next: presses of the left button, others without, typing."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8

from worldmodel.data.cameras import camera_frames
from worldmodel.data.frames import resize_frames
from worldmodel.screen.events import events_in
from worldmodel.types import ActionSpec, Episode, EpisodeSource, InputError

SETTLED = 5
"""Frames after a press until which the screen has answered."""
PER_EPISODE = 2
"""Moments of each kind that an episode gives at most, so that they are of many."""
LEAST_KEYS = 3
"""Keys that are typed at least, so that there is something to read."""
LEAST_REST = 2
"""Frames after the last of them, until which it is shown."""
PRESS, ELSEWHERE, NOTHING = "press", "elsewhere", "nothing"
CONTROLS = ("button", "checkbox", "radio", "tab", "dialog")
"""What answers visibly when it is pressed."""


@dataclass
class Moment:
    """A stretch of an episode in which something may happen.

    Attributes:
        kind: what is pressed, by its role in the recording's raw events (``button``, ``tab``, ..., or `ELSEWHERE`),
            `PRESS` where these do not tell, `NOTHING` where nothing is pressed, or ``typing``.
        frames: the context, and those that follow.
        actions: those between the frames; with the first one after the context, something begins, or nothing does.
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

    Episodes are gone through in random order, as many as it takes.

    Args:
        source: recordings of screens.
        context: frames before the moment.
        count: wanted number, the odd one with a press; fewer come back where there are no more.
        frame_size: height and width that the frames are brought to.
        embodiment: episodes of others are skipped.
        camera: see `camera_frames`.
        seed: of the choice.

    Raises:
        InputError: there is not a single press that the recording goes on after.
    """
    rng, spec = np.random.default_rng(seed), _spec(source, embodiment)
    chosen: tuple[list[Moment], list[Moment]] = ([], [])
    wanted = (count - count // 2, count // 2)
    for index in rng.permutation(len(source)).tolist():
        if all(len(moments) >= most for moments, most in zip(chosen, wanted, strict=True)):
            break
        episode = source[index]
        if episode.embodiment != embodiment:
            continue
        for moments, most, ticks in zip(chosen, wanted, _ticks(spec, episode, context), strict=True):
            for tick in rng.permutation(ticks)[: min(PER_EPISODE, most - len(moments))].tolist():
                kind = _pressed(episode, tick) if moments is chosen[0] else NOTHING
                moments.append(_cut(episode, kind, tick, context, SETTLED, frame_size, camera))
    if not chosen[0]:
        raise InputError(f"{source.path}: no press of a button with {context} frames before and {SETTLED} after it")
    return chosen[0] + chosen[1]


def choose_typing(
    source: EpisodeSource,
    *,
    context: int,
    steps: int,
    count: int,
    frame_size: tuple[int, int],
    embodiment: str,
    camera: str | None = None,
    seed: int = 0,
) -> list[Moment]:
    """Chooses moments at which somebody begins to type, one of an episode at most; none where nobody does.

    Args:
        source: recordings of screens.
        context: frames before the moment.
        steps: frames after it, in which at least `LEAST_KEYS` keys are typed, the last of them `LEAST_REST` before the
            end.
        count: largest number.
        frame_size: height and width that the frames are brought to.
        embodiment: episodes of others are skipped.
        camera: see `camera_frames`.
        seed: of the order in which episodes are gone through, as many as it takes.
    """
    spec, moments = _spec(source, embodiment), []
    for index in np.random.default_rng(seed).permutation(len(source)).tolist():
        if len(moments) >= count:
            break
        episode = source[index]
        if episode.embodiment != embodiment or not episode.action_mask[:-1].all():
            continue
        ticks = sorted(events_in(spec, episode.actions).get("key", {}))
        for tick in ticks:
            soon = [other for other in ticks if tick <= other < tick + steps - LEAST_REST]
            if len(soon) >= LEAST_KEYS and context - 1 <= tick < len(episode) - steps:
                moments.append(_cut(episode, "typing", tick, context, steps, frame_size, camera))
                break
    return moments


def _spec(source: EpisodeSource, embodiment: str) -> ActionSpec:
    return next(body.action for body in source.embodiments if body.name == embodiment)


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


def _pressed(episode: Episode, tick: int) -> str:
    """Role of what the left button is pressed on."""
    for event in episode.events or []:
        if (event["tick"], event.get("kind"), event.get("button")) == (tick, "press", "left") and "role" in event:
            return event["role"] or ELSEWHERE
    return PRESS


def _cut(
    episode: Episode, kind: str, tick: int, context: int, steps: int, frame_size: tuple[int, int], camera: str | None
) -> Moment:
    first, end = tick - context + 1, tick + steps + 1
    frames = resize_frames(camera_frames(episode, camera)[first:end], *frame_size)
    return Moment(kind, frames.copy(), episode.actions[first : end - 1].copy(), episode.text)
