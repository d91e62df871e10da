"""Typed text in dreamed pictures, read by a machine: Tesseract, of the extra ``ocr`` and Debian's tesseract-ocr."""

import shutil
from dataclasses import dataclass, field
from importlib.util import find_spec

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from worldmodel.data.screen import KEYS
from worldmodel.screen.transitions import differs
from worldmodel.types import ActionSpec, InputError

ENLARGED = 4  # times; letters of a page are 7 px high, which is less than Tesseract was made for
MARGIN_PX = 4
ONE_LINE = "--psm 7"  # of text
LEGIBLE = 0.5
"""Error with which the true picture is read at most, so that a moment counts: passwords are dots."""


def check_reader() -> None:
    """Makes sure, before any long work, that text can be read.

    Raises:
        InputError: a package, or Tesseract itself, is not installed.
    """
    if not all(map(find_spec, ("pytesseract", "rapidfuzz"))):
        raise InputError("ocr: packages pytesseract and rapidfuzz are missing, wanted: pip install 'worldmodel[ocr]'")
    if shutil.which("tesseract") is None:
        raise InputError("ocr: tesseract is not installed, wanted it: apt-get install tesseract-ocr (Debian)")


def read_text(picture: UInt8[np.ndarray, "h w 3"]) -> str:
    """Reads a picture of one line of text."""
    import pytesseract  # not everybody has it

    large = cv2.resize(picture, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
    return pytesseract.image_to_string(large, config=ONE_LINE).strip()


def error_rate(true: str, told: str) -> float:
    """Characters to add, drop or exchange for every true one, at most 1.

    Source: Levenshtein 1966, "Binary codes capable of correcting deletions, insertions, and reversals".
    """
    from rapidfuzz.distance import Levenshtein

    return min(1.0, Levenshtein.distance(true, told) / max(1, len(true)))


def typed_text(spec: ActionSpec, actions: Float32[np.ndarray, "t a"]) -> str:
    """Returns the characters that were typed; special keys are left out."""
    keys = [KEYS[int(key)] for key in actions[:, spec.names.index("key")]]
    return "".join(key for key in keys if len(key) == 1)


@dataclass
class TypedText:
    """Error rates of what is read where the picture changed, by who shows it."""

    errors: dict[str, list[float]] = field(default_factory=dict)

    def add(
        self,
        typed: str,
        before: UInt8[np.ndarray, "h w 3"],
        after: UInt8[np.ndarray, "h w 3"],
        shown: dict[str, UInt8[np.ndarray, "h w 3"]],
        free: Bool[np.ndarray, "h w"],
    ) -> None:
        """Adds a moment, unless nothing changed, or nobody could read what was typed in the true picture.

        Args:
            typed: in the meantime.
            before: the true picture before.
            after: the true picture after.
            shown: pictures that should show the same as ``after``, by name.
            free: where no pointer is, before or after.
        """
        changed = np.argwhere(differs(before, after) & free)
        if not len(changed):
            return
        low, high = np.maximum(changed.min(0) - MARGIN_PX, 0), changed.max(0) + 1 + MARGIN_PX
        part = slice(low[0], high[0]), slice(low[1], high[1])
        own = error_rate(typed, read_text(after[part]))
        if own > LEGIBLE:
            return
        for name, picture in {"truth": after, **shown}.items():
            error = own if name == "truth" else error_rate(typed, read_text(picture[part]))
            self.errors.setdefault(name, []).append(error)

    def summary(self) -> dict[str, float | None]:
        """Mean error rate of each, and how many moments count."""
        means = {name: float(np.mean(errors)) for name, errors in self.errors.items()}
        return {**means, "count": float(len(self.errors.get("truth", [])))}
