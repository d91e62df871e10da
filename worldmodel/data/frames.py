"""The one place where pictures change size, so that recordings and simulators look the same to a model."""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import UInt8

from worldmodel.types import InputError

PATCH_PX = 16


def check_frame_size(height: int, width: int, where: str) -> None:
    """Refuses frame sizes that the model cannot cut into patches.

    Raises:
        InputError: height or width is not a positive multiple of 16.
    """
    if height <= 0 or width <= 0 or height % PATCH_PX or width % PATCH_PX:
        raise InputError(f"{where}: frame size {height}x{width}, wanted height and width divisible by {PATCH_PX}")


def read_size(size: int | Sequence[int], where: str) -> tuple[int, int]:
    """Returns height and width of pictures, in px, from one number for both or from the two.

    Raises:
        InputError: anything else, or a number that is not divisible by 16.
    """
    pair = [size, size] if isinstance(size, int) else list(size) if isinstance(size, list | tuple) else []
    if len(pair) != 2 or not all(isinstance(number, int) for number in pair):
        raise InputError(f"{where}: size {size!r}, wanted a number, or height and width, divisible by 16")
    check_frame_size(pair[0], pair[1], where)
    return pair[0], pair[1]


def resize_frames(frames: UInt8[np.ndarray, "t h w 3"], height: int, width: int) -> UInt8[np.ndarray, "t h2 w2 3"]:
    """Resizes pictures by area averaging (no aliasing when they shrink); returns the input itself if nothing changes.

    Args:
        frames: RGB pictures.
        height: wanted height in pixels.
        width: wanted width in pixels.
    """
    if frames.shape[1:3] == (height, width):
        return frames
    resized = np.empty((len(frames), height, width, 3), np.uint8)
    for source, target in zip(frames, resized, strict=True):
        cv2.resize(np.ascontiguousarray(source), (width, height), dst=target, interpolation=cv2.INTER_AREA)
    return resized
