"""What a dream's verdict on policies is worth: does it rank them as the true environment does, or too kindly?"""

from collections.abc import Sequence

import numpy as np
import pandas
from jaxtyping import Float


def agreement(true: Sequence[float], dream: Sequence[float]) -> dict[str, float | None]:
    """Compares what policies scored in the true environment with what they scored in the dream.

    Args:
        true: score of every policy, such as its success rate.
        dream: the same in the dream.

    Returns:
        ``pearson`` and ``spearman`` correlation (None where all scores of one side are equal), ``mmrv``, and
        ``optimism_gap``, the mean of dream less true.
    """
    real, dreamed = np.asarray(true, np.float64), np.asarray(dream, np.float64)
    assert len(real) == len(dreamed) > 0, (len(real), len(dreamed))
    return {
        "pearson": _correlation(real, dreamed),
        "spearman": _correlation(_ranks(real), _ranks(dreamed)),
        "mmrv": mmrv(real, dreamed),
        "optimism_gap": float((dreamed - real).mean()),
    }


def mmrv(true: Float[np.ndarray, "n"], dream: Float[np.ndarray, "n"]) -> float:
    """Mean maximum rank violation: by how much the worst mistake in the order costs, on average over policies.

    Two policies that the dream puts in the wrong order cost the difference of their true scores; 0 is a faithful order.

    Source: Li et al. 2024, "Evaluating real-world robot manipulation policies in simulation" (SIMPLER), equation 1.
    """
    apart = np.abs(true[:, None] - true[None])
    wrong = (true[:, None] < true[None]) != (dream[:, None] < dream[None])
    return float((apart * wrong).max(axis=1).mean())


def _correlation(one: Float[np.ndarray, "n"], other: Float[np.ndarray, "n"]) -> float | None:
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(one, other)[0, 1])


def _ranks(values: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Ranks; equal values share the mean of theirs."""
    return pandas.Series(values).rank().to_numpy(np.float64)
