"""Measures of dreams and policies: PSNR pooled over pixels, by horizon and on what changed; R2; 95 % intervals.

Pictures are uint8; PSNR is in dB on [0, 1] RGB. A measure without any data (no pixel changed, an action that never
varies) is None, a perfect one is finite (`PERFECT_DB`), so that results are valid JSON.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8

CHANGED_THRESHOLD = 0.06
PERFECT_DB = 100.0
PERFECT_MSE = 10.0 ** (-PERFECT_DB / 10.0)


def changed_mask(
    frames: UInt8[np.ndarray, "*b t h w 3"], last_context: UInt8[np.ndarray, "*b h w 3"]
) -> Bool[np.ndarray, "*b t h w"]:
    """Marks the pixels whose largest channel difference from the last context frame is above 0.06 on [0, 1]."""
    difference = np.abs(frames.astype(np.int16) - last_context[..., None, :, :, :].astype(np.int16))
    return difference.max(axis=-1) > CHANGED_THRESHOLD * 255.0


def psnr_db(mse: float | None) -> float | None:
    """Peak signal-to-noise ratio of a mean squared error on [0, 1], at most `PERFECT_DB`; None stays None."""
    return None if mse is None else -10.0 * math.log10(max(mse, PERFECT_MSE))


class FrameError:
    """Adds up squared errors by horizon, so that PSNR is that of all windows pooled and not a mean of PSNRs.

    Args:
        steps: number of predicted frames in a window.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._error = np.zeros((2, steps))  # all pixels, changed pixels; sums over pixels and channels on [0, 1]
        self._count = np.zeros((2, steps))

    def add(
        self,
        true: UInt8[np.ndarray, "b k h w 3"],
        predicted: UInt8[np.ndarray, "b k h w 3"],
        changed: Bool[np.ndarray, "b k h w"],
    ) -> None:
        """Adds windows; ``changed`` comes from `changed_mask`."""
        squared = ((true.astype(np.float32) - predicted.astype(np.float32)) / 255.0) ** 2
        per_pixel = squared.sum(axis=-1, dtype=np.float64)
        pixels = true.shape[0] * true.shape[2] * true.shape[3]
        self._error += np.stack((per_pixel.sum((0, 2, 3)), (per_pixel * changed).sum((0, 2, 3))))
        self._count += 3.0 * np.stack((np.full(self.steps, pixels), changed.sum((0, 2, 3))))

    @property
    def mse(self) -> float | None:
        return _ratio(self._error[0].sum(), self._count[0].sum())

    @property
    def changed_mse(self) -> float | None:
        return _ratio(self._error[1].sum(), self._count[1].sum())

    @property
    def psnr_db(self) -> float | None:
        return psnr_db(self.mse)

    @property
    def changed_psnr_db(self) -> float | None:
        return psnr_db(self.changed_mse)

    def by_horizon(self) -> dict[str, list[float | None]]:
        """Returns ``psnr_db`` and ``changed_psnr_db`` per predicted frame, nearest first."""
        rows = [
            [psnr_db(_ratio(error, count)) for error, count in zip(errors, counts, strict=True)]
            for errors, counts in zip(self._error, self._count, strict=True)
        ]
        return {"psnr_db": rows[0], "changed_psnr_db": rows[1]}

    def summary(self) -> dict[str, object]:
        """Returns the measures under their names in metrics.json."""
        return {"psnr_db": self.psnr_db, "changed_psnr_db": self.changed_psnr_db, "by_horizon": self.by_horizon()}


def _ratio(error: float, count: float) -> float | None:
    return float(error / count) if count else None


def r2_per_dim(true: Float[np.ndarray, "n a"], predicted: Float[np.ndarray, "n a"]) -> list[float | None]:
    """Coefficient of determination of every dimension, 1 at best; None for a dimension that does not vary."""
    true, predicted = true.astype(np.float64), predicted.astype(np.float64)
    residual = ((true - predicted) ** 2).sum(axis=0)
    total = ((true - true.mean(axis=0)) ** 2).sum(axis=0)
    return [float(1.0 - r / t) if t > 0 else None for r, t in zip(residual, total, strict=True)]


def roc_auc(true: Bool[np.ndarray, "n"], score: Float[np.ndarray, "n"]) -> float | None:
    """Chance that a true case scores higher than a false one (ties count half); None where all are of one kind."""
    low, high = np.sort(score[~true]), score[true]
    if not len(low) or not len(high):
        return None
    below, upto = np.searchsorted(low, high, "left"), np.searchsorted(low, high, "right")
    return float((below + upto).mean() / (2 * len(low)))


def mean_known(values: Sequence[float | None]) -> float | None:
    """Mean of the values that are not None; None if there are none."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def bootstrap_ci95(
    values: Sequence[float] | Float[np.ndarray, "n"], *, seed: int = 0, resamples: int = 10_000
) -> list[float]:
    """95 % percentile interval [low, high] of the mean of ``values``, by resampling them."""
    sample = np.asarray(values, np.float64)
    assert len(sample), "no values"
    chosen = np.random.default_rng(seed).integers(0, len(sample), (resamples, len(sample)))
    low, high = np.percentile(sample[chosen].mean(axis=1), (2.5, 97.5))
    return [float(low), float(high)]


def wilson_ci95(successes: int, trials: int) -> list[float]:
    """95 % score interval [low, high] of a success rate.

    Source: Wilson, Probable inference, the law of succession, and statistical inference, 1927.
    """
    assert 0 <= successes <= trials != 0, (successes, trials)
    z, rate = 1.959964, successes / trials
    centre = rate + z * z / (2 * trials)
    margin = z * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return [max(0.0, (centre - margin) / scale), min(1.0, (centre + margin) / scale)]
