"""Opens the recordings of a run as its configuration says."""

from pathlib import Path

from worldmodel.config import DatasetConfig
from worldmodel.data.motion import Motion
from worldmodel.data.open import open_dataset
from worldmodel.data.resampled import Resampled
from worldmodel.types import EpisodeSource


def open_source(dataset: DatasetConfig, path: str | Path) -> EpisodeSource:
    """Opens one of a run's datasets.

    Args:
        dataset: how.
        path: where it is, also for one that the run collects itself.

    Raises:
        InputError: see `open_dataset`, `Resampled` and `Motion`.
    """
    motion = dataset.actions == "motion"
    source = open_dataset(path, embodiment=None if motion else dataset.embodiment, cuts=dataset.cuts)
    source = source if dataset.fps is None else Resampled(source, dataset.fps)
    return Motion(source, dataset.embodiment) if motion else source
