"""Parts of large pictures to learn from, more often where something happens."""

import numpy as np
from jaxtyping import UInt8

CHANGED = 0.5  # share of the parts that show a change, where there is one


def choose_part(
    pair: UInt8[np.ndarray, "2 h w 3"], side: int, rng: np.random.Generator
) -> UInt8[np.ndarray, "2 side side 3"]:
    """Cuts the same square out of a picture and the one before it.

    Half of the time, where they differ, it has one of the pixels that do as near to its middle as the edges permit;
    else it lies anywhere.

    Args:
        pair: the picture before, and the picture.
        side: of the square, in px; at most height and width.
        rng: draws it.
    """
    limits = np.array(pair.shape[1:3]) - side
    corner = rng.integers(0, limits + 1)
    if rng.random() < CHANGED:
        changed = np.argwhere((pair[0] != pair[1]).any(-1))
        if len(changed):
            corner = np.clip(changed[rng.integers(len(changed))] - side // 2, 0, limits)
    return pair[:, corner[0] : corner[0] + side, corner[1] : corner[1] + side]
