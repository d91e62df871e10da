"""Small recordings for tests."""

from pathlib import Path

import h5py
import numpy as np

from worldmodel.types import Episode

SHARED = Path(__file__).parents[3] / "shared" / "data"


def make_episode(index: int = 0, length: int = 7, size: int = 32, **changes) -> Episode:
    """An episode of a white square that wanders, with Push-T's actions and state."""
    rng = np.random.default_rng(index)
    frames = np.full((length, size, size, 3), 40 + 10 * index, np.uint8)
    for t in range(length):
        frames[t, 2 * t : 2 * t + 8, 4:12] = 255 - 9 * t
    values = {
        "frames": {"pixels": frames},
        "actions": rng.uniform(0, 512, (length, 2)).astype(np.float32),
        "action_mask": np.arange(length) < length - 1,
        "state": rng.uniform(0, 512, (length, 2)).astype(np.float32),
        "reward": rng.random(length).astype(np.float32),
        "success": np.arange(length) == length - 1,
        "terminated": True,
        "text": f"task {index % 2}",
        "fps": 10.0,
        "embodiment": "pusht",
        "episode_id": str(index),
        "source": "made up",
        "licence": "MIT",
    }
    episode = Episode(**values)
    for name, value in changes.items():
        setattr(episode, name, value)  # not through the constructor, which pytest's import hook makes refuse bad ones
    return episode


def write_hdf5(path: Path, ends: tuple[int, ...] = (5, 9), size: int = 16, **changes: np.ndarray) -> Path:
    """A file in the layout of Diffusion Policy; ``changes`` replaces datasets by name (``img``, ``action``, ...)."""
    rng, rows = np.random.default_rng(0), ends[-1]
    values = {
        "img": rng.integers(0, 256, (rows, size, size, 3)).astype(np.uint8),
        "action": rng.uniform(0, 512, (rows, 2)).astype(np.float32),
        "state": rng.uniform(0, 512, (rows, 5)).astype(np.float32),
    }
    with h5py.File(path, "w") as file:
        for name, value in {**values, **changes}.items():
            file[f"data/{name}"] = value
        file["meta/episode_ends"] = np.array(ends)
        file.attrs["source"] = "made up; MIT"
    return path
