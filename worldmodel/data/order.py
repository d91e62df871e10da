"""Which window of which dataset comes when: sampling without replacement that needs no memory and no saved state.

The p-th window taken from a dataset of N is entry p mod N of a shuffle that belongs to epoch p // N, so every window
comes once per epoch of its dataset. How many each dataset has given after n windows in all follows from the weights
alone. Both are functions of the seed and of a position, which is all that a resumed run has to know.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64, Int64

from worldmodel.types import InputError

ROUNDS = 6  # of the Feistel network; 4 pass for random, small sets need some more


def shuffled(positions: Int64[np.ndarray, "n"], count: int, seed: Sequence[int]) -> Int64[np.ndarray, "n"]:
    """Entries of a random permutation of ``range(count)``, without holding it: a Feistel network with cycle walking.

    Args:
        positions: which entries, each in ``range(count)``.
        count: length of the permutation.
        seed: chooses the permutation.
    """
    bits = np.uint64(max(1, (int(count - 1).bit_length() + 1) // 2))
    mask = np.uint64((1 << int(bits)) - 1)
    keys = np.random.SeedSequence(list(seed)).generate_state(ROUNDS, np.uint64)
    values = positions.astype(np.uint64)
    outside = np.ones(len(values), bool)
    while outside.any():
        left, right = values[outside] >> bits, values[outside] & mask
        for key in keys:
            left, right = right, left ^ (_mix(right ^ key) & mask)
        values[outside] = left << bits | right
        outside[outside] = values[outside] >= count
    return values.astype(np.int64)


def _mix(values: np.ndarray) -> np.ndarray:
    """Spreads every bit over all 64 (the finaliser of splitmix64)."""
    values = (values ^ values >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ values >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return values ^ values >> np.uint64(31)


def shares_of(
    names: Sequence[str], counts: Sequence[int], weights: Mapping[str, float] | None
) -> Float64[np.ndarray, "d"]:
    """Share of every dataset in a mixture: by weight, or by number of windows if there are no weights.

    Raises:
        InputError: a weight is negative or not finite, or nothing is left that has windows.
    """
    known = np.array(counts, float)
    shares = np.array([weights.get(name, 0.0) for name in names], float) if weights else known
    if not np.isfinite(shares).all() or (shares < 0).any():
        raise InputError(f"mixture: found weights {dict(weights or {})}, wanted finite numbers from 0 on")
    shares = shares * (known > 0)
    if shares.sum() <= 0:
        raise InputError(f"{', '.join(names)}: found no window with a weight above 0, wanted at least one")
    return shares / shares.sum()


def apportion(shares: Float64[np.ndarray, "d"], total: int) -> Int64[np.ndarray, "d"]:
    """How many of the first ``total`` windows each dataset gives; never falls as ``total`` grows (Sainte-Lague).

    The k-th window of a dataset is due at (k + 1/2) / share; the earliest come first.
    """
    given = np.floor(max(0.0, total - len(shares) / 2 - 1) * shares + 0.5).astype(np.int64)
    with np.errstate(divide="ignore"):
        while given.sum() < total:
            given[np.argmin((given + 0.5) / shares)] += 1
    return given


class Order:
    """The order of a mixture's windows.

    Args:
        counts: windows of every dataset.
        shares: of every dataset, adding up to 1.
    """

    def __init__(self, counts: Sequence[int], shares: Float64[np.ndarray, "d"]) -> None:
        self.counts, self.shares = counts, shares

    def take(self, seed: Sequence[int], first: int, size: int) -> list[tuple[int, Int64[np.ndarray, "n"]]]:
        """Windows ``first`` to ``first + size`` of the run that ``seed`` names.

        Returns:
            Pairs of a dataset's index and numbers of its windows; ``size`` windows in all.
        """
        begin, end = apportion(self.shares, first), apportion(self.shares, first + size)
        return [
            (dataset, self._windows((*seed, dataset), int(begin[dataset]), int(end[dataset])))
            for dataset in np.nonzero(end > begin)[0].tolist()
        ]

    def _windows(self, seed: Sequence[int], begin: int, end: int) -> Int64[np.ndarray, "n"]:
        count = self.counts[seed[-1]]
        epochs, positions = np.divmod(np.arange(begin, end), count)
        parts = [shuffled(positions[epochs == epoch], count, (*seed, int(epoch))) for epoch in np.unique(epochs)]
        return np.concatenate(parts)
