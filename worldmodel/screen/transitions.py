"""Big changes of a screen, such as a dialog that opens: did the dream see that they happen, or that they do not?"""

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from worldmodel.metrics import CHANGED_THRESHOLD
from worldmodel.screen.moments import CONTROLS, NOTHING
from worldmodel.screen.pointer import HEIGHT, WIDTH

LEAST_PX = 24
"""Changed pixels outside of the pointer from which on a screen counts as another."""
MARGIN_PX = 2  # around the pointer
COARSE_PX = 4
"""Side of the parts that a dream's changes are averaged over: the grain of a tokenizer around letters and pointers is
finer, boxes and letters that come or go are not."""
COARSE_CHANGE = 0.1  # of the largest value, from which on such a part counts as changed


def elsewhere(shape: tuple[int, int], *places: tuple[float, float]) -> Bool[np.ndarray, "h w"]:
    """True where a picture does not show a pointer whose tip is at one of the places (column, row)."""
    result = np.ones(shape, bool)
    for x, y in places:
        top, left = int(y) - MARGIN_PX, int(x) - MARGIN_PX
        result[max(top, 0) : int(y) + HEIGHT + MARGIN_PX, max(left, 0) : int(x) + WIDTH + MARGIN_PX] = False
    return result


def differs(one: UInt8[np.ndarray, "h w 3"], other: UInt8[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"]:
    """True where the largest difference over channels is above that of changed pixels (`worldmodel.metrics`)."""
    return np.abs(one.astype(np.int16) - other.astype(np.int16)).max(-1) > CHANGED_THRESHOLD * 255.0


def visibly_differs(one: UInt8[np.ndarray, "h w 3"], other: UInt8[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"]:
    """True where two pictures differ by more than the grain of a tokenizer."""
    averages = cv2.blur(one.astype(np.float32) - other, (COARSE_PX, COARSE_PX))
    return np.abs(averages).max(-1) > COARSE_CHANGE * 255.0


@dataclass
class Transitions:
    """Counts over moments; ``kinds`` holds pairs (it happened, the dream is right) by name."""

    kinds: dict[str, list[tuple[bool, bool]]] = field(default_factory=dict)

    def add(
        self,
        kind: str,
        before: UInt8[np.ndarray, "h w 3"],
        after: UInt8[np.ndarray, "h w 3"],
        dreamed: UInt8[np.ndarray, "h w 3"],
        still: UInt8[np.ndarray, "h w 3"],
        free: Bool[np.ndarray, "h w"],
    ) -> None:
        """Adds a moment.

        Where the screen changed, the dream is right if it is nearer to what came than to what was there, over the
        pixels that changed; where it did not, if it stays visibly as it was (`visibly_differs`).

        Args:
            kind: of the moment, see `Moment`.
            before: the true picture before it.
            after: the true picture after it.
            dreamed: the dreamed picture after it.
            still: what a dream without any change would be: ``before`` as the tokenizer keeps it.
            free: where no pointer is, before or after, see `elsewhere`.
        """
        changed = differs(before, after) & free
        happened = int(changed.sum()) >= LEAST_PX
        if happened:
            to_after, to_before = (
                np.square(dreamed[changed].astype(np.float32) - other[changed]).sum() for other in (after, before)
            )
            right = bool(to_after < to_before)
        else:
            right = int((visibly_differs(dreamed, still) & free).sum()) < LEAST_PX
        self.kinds.setdefault(kind, []).append((happened, right))

    def summary(self) -> dict[str, Any]:
        """Accuracy beside that of who always tells the more frequent answer.

        Over all moments, ``by_kind``, and over ``controls``: presses on `CONTROLS`, and at most as many without one.
        """
        everything = [pair for pairs in self.kinds.values() for pair in pairs]
        by_kind = {kind: _accuracy(pairs) for kind, pairs in sorted(self.kinds.items())}
        pressed = [pair for kind in CONTROLS for pair in self.kinds.get(kind, [])]
        controls = _accuracy(pressed + self.kinds.get(NOTHING, [])[: len(pressed)])
        return {**_accuracy(everything), "by_kind": by_kind, "controls": controls}


def _accuracy(pairs: list[tuple[bool, bool]]) -> dict[str, float | None]:
    if not pairs:
        return {"accuracy": None, "majority": None, "happened": None, "count": 0.0}
    share = float(np.mean([happened for happened, _ in pairs]))
    return {
        "accuracy": float(np.mean([right for _, right in pairs])),
        "majority": max(share, 1.0 - share),
        "happened": share,
        "count": float(len(pairs)),
    }
