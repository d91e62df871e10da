"""The mouse pointer, which Chromium leaves out of its pictures."""

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


def draw_pointer(picture: UInt8[np.ndarray, "h w 3"], x: int, y: int) -> None:
    """Draws the arrow of a mouse into a picture, its tip at column ``x`` and row ``y``; what lies outside is cut."""
    part = picture[y : y + HEIGHT, x : x + WIDTH]
    cells = _CELLS[: part.shape[0], : part.shape[1]]
    part[cells == "#"] = 0
    part[cells == "."] = 255
