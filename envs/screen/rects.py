"""Rectangles of a screen, and how they are blanked in a picture."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8


class Rect(NamedTuple):
    """A rectangle in px of the screen; right and bottom are no longer part of it."""

    left: int
    top: int
    right: int
    bottom: int

    def grown(self, px: int) -> "Rect":
        return Rect(self.left - px, self.top - px, self.right + px, self.bottom + px)

    def around(self, other: "Rect") -> "Rect":
        """Returns the smallest rectangle that holds both."""
        low = (min(self.left, other.left), min(self.top, other.top))
        return Rect(*low, max(self.right, other.right), max(self.bottom, other.bottom))


def blank(picture: UInt8[np.ndarray, "h w c"], rects: Iterable[Rect], origin: tuple[int, int]) -> None:
    """Paints rectangles of a picture black, in place; ``origin`` is where its upper left corner is on the screen."""
    x, y = origin
    for rect in rects:
        left, top, right, bottom = (max(edge, 0) for edge in (rect[0] - x, rect[1] - y, rect[2] - x, rect[3] - y))
        picture[top:bottom, left:right] = 0
