"""The mouse pointer as it is drawn into pictures of a screen, and where a picture shows one."""

import cv2
import numpy as np
from jaxtyping import UInt8

ARROW = """
#
##
#.#
#..#
#...#
#....#
#.....#
#......#
#.......#
#........#
#.....#####
#..#..#
#.# #..#
##  #..#
#    #..#
     #..#
      ##
"""
_ROWS = ARROW.strip("\n").split("\n")
HEIGHT, WIDTH = len(_ROWS), max(map(len, _ROWS))
_CELLS = np.array([list(row.ljust(WIDTH)) for row in _ROWS])
_INSIDE = _CELLS == "."
_DRAWN = _INSIDE | (_CELLS == "#")
WORST = 0.12
"""Mean squared difference, on [0, 1], up to which a place of a picture passes for a pointer."""
LEAST_SHOWN = 0.4  # share of the arrow that has to be inside of the picture


def draw_pointer(picture: UInt8[np.ndarray, "h w 3"], x: int, y: int) -> None:
    """Draws the arrow of a mouse into a picture, its tip at column ``x`` and row ``y``; what lies outside is cut."""
    part = picture[y : y + HEIGHT, x : x + WIDTH]
    cells = _CELLS[: part.shape[0], : part.shape[1]]
    part[cells == "#"] = 0
    part[cells == "."] = 255


def find_pointer(picture: UInt8[np.ndarray, "h w 3"]) -> tuple[int, int] | None:
    """Returns column and row of the tip of the arrow that a picture shows; None where nothing looks like one.

    The place whose pixels differ least from the arrow's, in the square; of what is cut by an edge, the part inside.
    """
    pixels, seen = picture.astype(np.float32) / 255.0, np.ones(picture.shape[:2], np.float32)
    squares = _correlate(np.square(pixels).mean(-1), _DRAWN)
    count = _correlate(seen, _DRAWN)
    error = (squares - 2 * _correlate(pixels.mean(-1), _INSIDE) + _correlate(seen, _INSIDE)) / np.maximum(count, 1.0)
    error[count < LEAST_SHOWN * _DRAWN.sum()] = np.inf
    y, x = np.unravel_index(int(error.argmin()), error.shape)
    return (int(x), int(y)) if error[y, x] <= WORST else None


def _correlate(picture: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum of the pixels that weights lie on, by the place of the weights' upper left corner; 0 beyond the edges."""
    padded = cv2.copyMakeBorder(picture, 0, HEIGHT - 1, 0, WIDTH - 1, cv2.BORDER_CONSTANT)
    return cv2.matchTemplate(padded, weights.astype(np.float32), cv2.TM_CCORR)  # a tenth of the time of cv2.filter2D
