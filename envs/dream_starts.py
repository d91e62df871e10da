"""What dreamed episodes begin with: frames of recordings, of an environment's resets, or given ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import gymnasium
import numpy as np
from jaxtyping import Float32, UInt8

from worldmodel.data.frames import resize_frames
from worldmodel.data.open import open_dataset
from worldmodel.evaluation_windows import choose_windows
from worldmodel.models.world_model import WorldModel
from worldmodel.types import EmbodimentSpec, InputError

STARTS = 256  # of a set of recordings
RESET_STARTS = 64  # of an environment
# Of each body, where no starts are given.
RESETS = {"pusht": "worldmodel/PushT-v0", "gripper": "worldmodel/TablePush-v0"}


class Start(NamedTuple):
    """What an episode begins with: frames, the actions between them, and the instruction."""

    frames: UInt8[np.ndarray, "t h w 3"]
    actions: Float32[np.ndarray, "t-1 a"]
    text: str | None = None


def read_starts(path: str | Path, model: WorldModel, body: EmbodimentSpec, context_frames: int) -> list[Start]:
    """Cuts windows of ``context_frames`` out of a body's recordings.

    Raises:
        InputError: unusable recordings, or none of this body that are long enough.
    """
    windows = choose_windows(
        open_dataset(path), length=context_frames, count=STARTS, frame_size=model.frame_size, embodiment=body.name
    )
    return [Start(window.frames, window.actions, window.text) for window in windows]


def reset_starts(env_id: str | None, model: WorldModel, body: EmbodimentSpec) -> tuple[list[Start], str]:
    """Takes the first frames of an environment's episodes, seeds from 0.

    Args:
        env_id: the body's own environment (`RESETS`) if None.
        model: gives the frame size.
        body: who acts.

    Returns:
        Starts of one frame each, and what is to be done in the environment.

    Raises:
        InputError: no environment is known for the body, or this one takes other actions.
    """
    if env_id is None and body.name not in RESETS:
        raise InputError(f"dream: no environment is known for embodiment {body.name!r}, wanted starts or env")
    name = env_id or RESETS[body.name]
    env = gymnasium.make(name)
    if env.action_space.shape != (len(body.action),):
        found = f"actions of shape {env.action_space.shape}"
        raise InputError(f"dream: {name} takes {found}, wanted ({len(body.action)},) of embodiment {body.name!r}")
    task = getattr(env.unwrapped, "task_description", "")
    frames = [env.reset(seed=seed)[0]["pixels"][None] for seed in range(RESET_STARTS)]
    env.close()
    between = np.zeros((0, len(body.action)), np.float32)
    return [Start(resize_frames(frame, *model.frame_size), between, task or None) for frame in frames], task


def given_starts(starts: Sequence[tuple], model: WorldModel, body: EmbodimentSpec) -> list[Start]:
    """Checks frames and actions that somebody made.

    Raises:
        InputError: frames that are not uint8, not of the model's size or none, or not one action between each two.
    """
    checked = [Start(*start) for start in starts]
    for number, start in enumerate(checked):
        size, count = (*model.frame_size, 3), len(start.frames)
        if start.frames.dtype != np.uint8 or start.frames.shape[1:] != size or count < 1:
            found = f"{start.frames.dtype} frames {start.frames.shape}"
            raise InputError(f"dream: start {number} has {found}, wanted uint8 (t, {', '.join(map(str, size))})")
        if start.actions.shape != (wanted := (count - 1, len(body.action))):
            raise InputError(f"dream: start {number} has actions of shape {start.actions.shape}, wanted {wanted}")
    return checked
