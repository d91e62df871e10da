"""Inverse dynamics as a tool: gives recordings without actions the actions that their pictures show."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from worldmodel.data.cameras import camera_frames
from worldmodel.data.frames import resize_frames
from worldmodel.rollout import Dreamer
from worldmodel.types import ActionSpec, EmbodimentSpec, Episode, InputError

WINDOW = 20  # frames seen at once, as the evaluation of actions.inverse_r2 does
BATCH = 16  # windows at once
FPS_TOLERANCE = 0.02
DRAWS = 4  # from different noise; where they agree, the model is sure
TOLERANCE = 0.05  # of a number's range, up to which it agrees with another


def label_episode(model: Dreamer, episode: Episode, *, camera: str | None = None) -> Episode:
    """Returns the episode with inferred actions; its pictures stay as they are, another body's state and reward go.

    Its ``confidence`` is the share of further draws, from other noise, that agree with the action (`agree`).

    Args:
        model: reads the actions; its first embodiment is the body that acts in the recording.
        episode: the recording; actions that it may have are replaced.
        camera: to look through, see `camera_frames`; the first unless given.

    Raises:
        InputError: no such camera, fewer than two frames, or recorded at another rate than the body acts at.
    """
    body = model.embodiments[0]
    _check(episode, body)
    frames = resize_frames(camera_frames(episode, camera), *model.frame_size)
    actions, *others = infer_whole(model, frames, draws=DRAWS)
    confidence = np.mean([agree(body.action, actions, other) for other in others], 0, np.float32)
    # The last frame's action leads to a frame that nobody saw.
    actions, confidence = np.concatenate((actions, actions[-1:])), np.append(confidence, np.float32(0.0))
    known = np.arange(len(actions)) < len(actions) - 1
    labelled = replace(episode, actions=actions, action_mask=known, embodiment=body.name, confidence=confidence)
    if episode.embodiment == body.name:
        return labelled
    return replace(labelled, state=None, reward=None, success=None)


def infer_whole(
    model: Dreamer, frames: UInt8[np.ndarray, "t h w 3"], *, embodiment: str | None = None, draws: int = 1
) -> Float32[np.ndarray, "draws t-1 a"]:
    """Infers the actions of a recording of any length, in windows that overlap by half, from noise of several seeds.

    An action is taken from the window in whose middle it lies, because the frames on both sides of it help.
    """
    length = min(WINDOW, len(frames))
    starts = [*range(0, len(frames) - length, WINDOW // 2), len(frames) - length]
    parts: list[list[np.ndarray]] = [[] for _ in range(draws)]
    for first in range(0, len(starts), BATCH):
        windows = np.stack([frames[start : start + length] for start in starts[first : first + BATCH]])
        seen = model.encode(windows) if model.frames_per_latent == 1 else windows
        for seed in range(draws):
            parts[seed].append(model.infer_actions(seen, embodiment=embodiment, seed=seed))
    inferred = np.stack([np.concatenate(part) for part in parts])
    actions = np.empty((draws, len(frames) - 1, inferred.shape[-1]), np.float32)
    for number, start in enumerate(starts):
        skipped = 0 if number == 0 else (starts[number - 1] + length - start) // 2
        actions[:, start + skipped : start + length - 1] = inferred[:, number, skipped:]
    return actions


def agree(
    spec: ActionSpec, one: Float32[np.ndarray, "t a"], other: Float32[np.ndarray, "t a"]
) -> Bool[np.ndarray, "t"]:
    """True where two actions have the same buttons and keys, and numbers that differ by `TOLERANCE` at most."""
    apart = np.abs(one - other) / (spec.high - spec.low)
    smallest = np.array([TOLERANCE if dim.kind == "continuous" else 0.0 for dim in spec.dims])
    return np.all(apart <= smallest, axis=-1)


def _check(episode: Episode, body: EmbodimentSpec) -> None:
    where = f"{episode.source}: episode {episode.episode_id}"
    if len(episode) < 2:
        raise InputError(f"{where} has {len(episode)} frame, wanted at least 2")
    if abs(episode.fps - body.fps) > FPS_TOLERANCE * body.fps:
        raise InputError(
            f"{where} has {episode.fps:g} frames/s, wanted {body.fps:g} (the rate at which {body.name} acts)"
        )
