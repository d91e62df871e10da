"""Training data on disk: frames of one size in HDF5, and their latents (float16) beside actions, state and reward.

Built once per (recordings, camera, frame size) and per (frames, tokenizer weights); the key is part of the file's name,
and a file appears only when it is whole. Frames are read where they lie; latents and everything else live in memory.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from rich.progress import track

from worldmodel.data.cameras import camera_frames
from worldmodel.data.frames import resize_frames
from worldmodel.data.quality import Damage, read_good, write_quarantine
from worldmodel.models.frame_tokenizer import FrameTokenizer
from worldmodel.types import EmbodimentSpec, EpisodeSource, InputError


@dataclass
class Recordings:
    """All episodes of one dataset, end to end.

    Attributes:
        name: of the dataset.
        spec: who acts.
        starts: first frame of every episode, and one past the last frame at the end; an episode that cannot be used
            keeps its number and has no frames.
        actions: normalised to [-1, 1].
        action_mask: True where known.
        state: normalised, or None.
        reward: NaN where unknown.
        success: NaN where unknown.
        frames: pictures on disk (an HDF5 dataset).
        latents: float16 (frames, h, w, c), once encoded.
    """

    name: str
    spec: EmbodimentSpec
    starts: np.ndarray
    actions: np.ndarray
    action_mask: np.ndarray
    state: np.ndarray | None
    reward: np.ndarray
    success: np.ndarray
    frames: h5py.Dataset
    latents: np.ndarray | None = None

    @property
    def episodes(self) -> int:
        return len(self.starts) - 1


def key_of(*parts: object) -> str:
    """A short hash of anything JSON can write."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def weights_key(tokenizer: FrameTokenizer) -> str:
    """A hash of the tokenizer's weights."""
    digest = hashlib.sha256()
    for value in tokenizer.state_dict().values():
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


@contextmanager
def _whole_file(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file that takes its name only when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with h5py.File(partial, "w") as file:
        yield file
    partial.replace(path)


def dataset_in(file: h5py.File, key: str) -> h5py.Dataset:
    """The HDF5 dataset called ``key``."""
    dataset = file[key]
    assert isinstance(dataset, h5py.Dataset), key
    return dataset


def read(file: h5py.File, key: str) -> np.ndarray:
    """All values of the HDF5 dataset called ``key``."""
    return dataset_in(file, key)[()]


def load_recordings(
    name: str, source: EpisodeSource, folder: Path, height: int, width: int, *, camera: str | None = None
) -> Recordings:
    """Brings the pictures of a camera (see `camera_frames`) to one frame size, or finds that done, and opens them.

    Episodes that cannot be used are written to ``NAME.quarantine.json`` in the same folder, with their reasons.

    Raises:
        InputError: there is no episode, none that can be used, or one without that camera.
    """
    if not len(source):
        raise InputError(f"{source.path}: found no episode, wanted at least one")
    path = folder / f"{name}-{key_of(_fingerprint(source), height, width, *filter(None, [camera]))}.hdf5"
    if not path.exists():
        _write_frames(name, source, path, height, width, camera)
    file = h5py.File(path, "r")
    values: dict[str, Any] = {key: read(file, key) for key in ("starts", "actions", "action_mask", "reward", "success")}
    spec = source.embodiments[0]
    actions = spec.action.normalise(values.pop("actions"))
    state = spec.normalise_state(read(file, "state")) if "state" in file and spec.state_low else None
    return Recordings(name, spec, actions=actions, state=state, frames=dataset_in(file, "frames"), **values)


def quarantine_path(folder: Path, name: str) -> Path:
    """Where the episodes of dataset ``name`` that cannot be used are listed."""
    return folder / f"{name}.quarantine.json"


def _fingerprint(source: EpisodeSource) -> object:
    """What tells one state of a dataset from another: its files with their sizes and times, or its id."""
    path = Path(source.path)
    files = sorted(path.rglob("*")) if path.is_dir() else [path] if path.exists() else []
    stats = [(str(f.relative_to(path.parent)), f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.is_file()]
    return [str(source.path), len(source), stats]


def _place(path: str | Path) -> str:
    """The same for a dataset from wherever its path is given; a Hub id is only itself."""
    return str(Path(path).resolve()) if Path(path).exists() else str(path)


def remove_caches(folder: Path, path: str | Path) -> tuple[list[Path], list[Path]]:
    """Removes the cached frames and latents of a dataset.

    Args:
        folder: where to look, also below it.
        path: the dataset.

    Returns:
        The files that were removed, and files of frames that do not tell of which dataset they are.
    """
    removed, unknown = [], []
    for file in sorted(folder.rglob("*-*.hdf5")):
        if file.name.endswith(".latents.hdf5") or (origin := _origin(file)) is None:
            continue
        if origin == _place(path):
            removed += [file, *sorted(file.parent.glob(f"{file.stem}-*.latents.hdf5"))]
        elif not origin:
            unknown.append(file)
    for file in removed:
        file.unlink()
    return removed, unknown


def _origin(path: Path) -> str | None:
    """Of which dataset a file holds frames: empty if it does not tell, None if it is no such file."""
    try:
        with h5py.File(path, "r") as file:
            return str(file.attrs.get("source", "")) if "starts" in file and "frames" in file else None
    except OSError:
        return None


def _write_frames(name: str, source: EpisodeSource, path: Path, height: int, width: int, camera: str | None) -> None:
    tables: dict[str, list[np.ndarray]] = {key: [] for key in ("actions", "action_mask", "state", "reward", "success")}
    starts, damaged = [0], []
    with _whole_file(path) as file:
        file.attrs["source"] = _place(source.path)
        shape = (height, width, 3)
        frames = file.create_dataset("frames", (0, *shape), np.uint8, maxshape=(None, *shape), chunks=(8, *shape))
        for index in track(range(len(source)), description=f"reading {name}"):
            episode = read_good(source, index)
            if isinstance(episode, Damage):
                damaged.append(episode)
                starts.append(starts[-1])
                continue
            pictures = resize_frames(camera_frames(episode, camera), height, width)
            frames.resize(starts[-1] + len(pictures), 0)
            frames[starts[-1] :] = pictures
            starts.append(starts[-1] + len(pictures))
            unknown = np.full(len(pictures), np.nan, np.float32)
            tables["actions"].append(episode.actions)
            tables["action_mask"].append(episode.action_mask)
            tables["reward"].append(unknown if episode.reward is None else episode.reward)
            tables["success"].append(unknown if episode.success is None else episode.success.astype(np.float32))
            if episode.state is not None:
                tables["state"].append(episode.state)
        write_quarantine(quarantine_path(path.parent, name), len(source), damaged)
        if len(damaged) == len(source):
            first = f"{damaged[0].reason}: {damaged[0].detail}"
            raise InputError(f"{source.path}: none of {len(source)} episodes can be used, wanted one (first: {first})")
        for key, values in tables.items():
            if values and len(values) == len(starts) - 1 - len(damaged):
                file[key] = np.concatenate(values)
        file["starts"] = np.array(starts)


@torch.no_grad()
def encode_recordings(recordings: Recordings, tokenizer: FrameTokenizer, folder: Path) -> None:
    """Fills ``recordings.latents``, from the cache if the same frames were encoded with the same weights before."""
    source = Path(recordings.frames.file.filename).stem
    path = folder / f"{source}-{weights_key(tokenizer)}.latents.hdf5"
    if not path.exists():
        count, size = len(recordings.frames), 256
        with _whole_file(path) as file:
            parts = []
            for start in track(range(0, count, size), description=f"encoding {recordings.name}"):
                pictures = torch.from_numpy(recordings.frames[start : start + size])
                parts.append(tokenizer.encode(pictures).half().numpy())
            file["latents"] = np.concatenate(parts)
    with h5py.File(path, "r") as file:
        recordings.latents = read(file, "latents")
