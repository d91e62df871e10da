"""What is found out about recordings whose body nobody described: ranges from the numbers, a licence from its text."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from worldmodel.data.embodiments import EMBODIMENTS
from worldmodel.types import EmbodimentSpec, InputError

SAMPLED_EPISODES = 256
LICENCES = {"MIT License": "MIT", "Apache License": "Apache-2.0", "Creative Commons Attribution 4.0": "CC-BY-4.0"}


class Ranges:
    """Smallest and largest value of every column of the arrays it was shown, one after another.

    Args:
        width: number of columns.
    """

    def __init__(self, width: int) -> None:
        self._low, self._high = np.full(width, np.inf), np.full(width, -np.inf)

    def add(self, values: Float[np.ndarray, "t n"]) -> None:
        """Takes rows into account; rows that hold NaN or infinity are passed over."""
        finite = values[np.isfinite(values).all(axis=1)]
        self._low = np.minimum(self._low, finite.min(axis=0, initial=np.inf))
        self._high = np.maximum(self._high, finite.max(axis=0, initial=-np.inf))

    def limits(self) -> tuple[list[float], list[float]]:
        """Returns low and high per column: [-1, 1] where nothing was seen, a range of one where nothing moved."""
        seen = np.isfinite(self._low)
        low, high = np.where(seen, self._low, -1.0), np.where(seen, self._high, 1.0)
        return low.tolist(), np.where(high > low, high, low + 1.0).tolist()


def sampled(count: int, most: int = SAMPLED_EPISODES) -> list[int]:
    """Returns the indices of at most ``most`` of ``count`` episodes, spread evenly from first to last.

    Ranges are taken from these, so that opening a dataset takes a bounded time.
    """
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist()


def named_embodiment(name: str, where: str, actions: int, states: int) -> EmbodimentSpec:
    """Returns the embodiment that a person says acts in a dataset.

    Args:
        name: of `EMBODIMENTS`.
        where: the dataset, for messages.
        actions: action dimensions found there.
        states: state dimensions found there.

    Raises:
        InputError: unknown name, or other dimensions.
    """
    if (spec := EMBODIMENTS.get(name)) is None:
        raise InputError(f"embodiment {name!r} is unknown, wanted one of: {', '.join(EMBODIMENTS)}")
    wanted = (len(spec.action), len(spec.state_low))
    if (actions, states) != wanted:
        found = f"{actions} actions, {states} state numbers"
        raise InputError(f"{where}: {found}, wanted {wanted[0]} and {wanted[1]} for {name}")
    return spec


def licence_beside(path: Path) -> str:
    """Returns the SPDX id of the licence file in a dataset's folder (or a file's), or ``"unknown"``."""
    folder = path if path.is_dir() else path.parent
    for file in sorted(place for place in folder.glob("LICENSE*") if place.is_file()):
        with file.open(errors="replace") as lines:
            start = "".join(line for line, _ in zip(lines, range(3), strict=False))
        for words, licence in LICENCES.items():
            if words in start:
                return licence
    return "unknown"
