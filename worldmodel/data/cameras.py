"""Which pictures of an episode are used where it has several cameras: one camera's, or all of them tiled."""

import math

import numpy as np
from jaxtyping import UInt8

from worldmodel.data.frames import resize_frames
from worldmodel.types import Episode, InputError

TILE = "tile"


def camera_frames(episode: Episode, camera: str | None) -> UInt8[np.ndarray, "t h w 3"]:
    """Returns the pictures of an episode.

    Args:
        episode: with one camera or several.
        camera: a camera's name, or ``"tile"`` for all of them, see `tile`; None: the first one.

    Raises:
        InputError: there is no such camera.
    """
    if camera is None:
        return next(iter(episode.frames.values()))
    if camera in episode.frames:
        return episode.frames[camera]
    if camera == TILE:
        return tile(episode.frames)
    found = ", ".join((*episode.frames, f"{TILE} (all of them)"))
    raise InputError(f"{episode.source}: episode {episode.episode_id}: no camera {camera!r}, wanted one of {found}")


def tile(cameras: dict[str, UInt8[np.ndarray, "t _ _ 3"]]) -> UInt8[np.ndarray, "t h w 3"]:
    """Puts cameras in one picture: in the order of their names, row by row, in a grid as near to a square as they fill.

    All are brought to the size of the first by name; places that stay empty are black.
    """
    names = sorted(cameras)
    length, height, width = cameras[names[0]].shape[:3]
    columns = math.ceil(math.sqrt(len(names)))
    rows = math.ceil(len(names) / columns)
    picture = np.zeros((length, rows * height, columns * width, 3), np.uint8)
    for place, name in enumerate(names):
        top, left = place // columns * height, place % columns * width
        picture[:, top : top + height, left : left + width] = resize_frames(cameras[name], height, width)
    return picture
