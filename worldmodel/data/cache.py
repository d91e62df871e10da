"""Training data on disk: frames of one size, actions, state and reward in one HDF5 file, latents (float16) in another.

Built once per (recordings, camera, frame size) and per (frames, tokenizer weights); the key is part of the file's name,
and a file appears only when it is whole. All arrays are contiguous and are read where they lie, so that memory does not
grow with the recordings.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import torch

from worldmodel.data.cameras import camera_frames
from worldmodel.data.disk_array import DiskArray, Rows, open_arrays
from worldmodel.data.frames import resize_frames
from worldmodel.data.parts import Arrays, Parts, build, default_workers
from worldmodel.data.quality import Damage, read_good, write_quarantine
from worldmodel.data.words import hash_words
from worldmodel.models.frame_tokenizer import FrameTokenizer
from worldmodel.types import EmbodimentSpec, EpisodeSource, InputError

LAYOUT = 3  # of these files; part of their key
TABLES = ("actions", "action_mask", "state", "reward", "success")
ENCODED_AT_ONCE = 256  # frames


@dataclass
class Recordings:
    """All episodes of one dataset, end to end; arrays in memory or on disk.

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
        frames: pictures, uint8 (frames, h, w, 3).
        latents: float16 (frames, h, w, c), once encoded.
        words: of every episode's instruction (`worldmodel.data.words`), int64 (episodes, words); None: there are none.
    """

    name: str
    spec: EmbodimentSpec
    starts: np.ndarray
    actions: Rows
    action_mask: Rows
    state: Rows | None
    reward: Rows
    success: Rows
    frames: Rows
    latents: Rows | None = None
    words: np.ndarray | None = None

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


def load_recordings(
    name: str,
    source: EpisodeSource,
    folder: Path,
    height: int,
    width: int,
    *,
    camera: str | None = None,
    workers: int | None = None,
) -> Recordings:
    """Brings a dataset to one frame size, or finds that done, and opens it.

    Episodes that cannot be used are written to ``NAME.quarantine.json`` in the same folder, with their reasons.

    Args:
        name: of the dataset.
        source: the dataset.
        folder: of the cache.
        height: of the frames, in px.
        width: of the frames, in px.
        camera: whose pictures are used, see `camera_frames`.
        workers: processes that read episodes; None: as many as there are cores, less one.

    Raises:
        InputError: there is no episode, none that can be used, or one without that camera.
    """
    if not len(source):
        raise InputError(f"{source.path}: found no episode, wanted at least one")
    path = folder / f"{name}-{key_of(LAYOUT, _fingerprint(source), height, width, camera)}.hdf5"
    build(
        path,
        len(source),
        partial(_read_episode, source, height, width, camera),
        partial(_join_episodes, source, quarantine_path(folder, name)),
        description=f"reading {name}",
        source=_place(source.path),
        workers=default_workers() if workers is None else workers,
    )
    arrays, spec = open_arrays(path), source.embodiments[0]
    arrays["actions"].then = spec.action.normalise
    state = arrays.get("state") if spec.state_low else None
    if state is not None:
        state.then = spec.normalise_state
    values = {key: arrays[key] for key in ("actions", "action_mask", "reward", "success", "frames")}
    return Recordings(name, spec, arrays["starts"][:], state=state, words=arrays["words"][:], **values)


def quarantine_path(folder: Path, name: str) -> Path:
    """Where the episodes of dataset ``name`` that cannot be used are listed."""
    return folder / f"{name}.quarantine.json"


def _fingerprint(source: EpisodeSource) -> object:
    """What tells one state of a dataset from another: its files with sizes and times, or its id; rate and actions."""
    path = Path(source.path)
    files = sorted(path.rglob("*") if path.is_dir() else [path] if path.exists() else path.parent.glob(path.name))
    whole = [file for file in files if file.is_file()]
    stats = [(os.path.relpath(f, path.parent), f.stat().st_size, f.stat().st_mtime_ns) for f in whole]
    return [str(source.path), len(source), [(b.fps, b.action.names) for b in source.embodiments], stats]


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
        if file.name.endswith(".latents.hdf5") or (place := origin(file)) is None:
            continue
        if place == _place(path):
            removed += [file, *sorted(file.parent.glob(f"{file.stem}-*.latents.hdf5"))]
            removed += sorted(file.parent.glob(f"{file.stem}-*.parts/*"))
        elif not place:
            unknown.append(file)
    for note in sorted(folder.rglob("*-*.parts/source")):  # of a build that was interrupted
        if note.read_text() == _place(path):
            removed += sorted(note.parent.iterdir())
    for file in removed:
        file.unlink()
    for parts in {file.parent for file in removed if file.parent.suffix == ".parts"}:
        parts.rmdir()
    return removed, unknown


def origin(path: Path) -> str | None:
    """Of which dataset a file holds frames: empty if it does not tell, None if it is no such file."""
    try:
        with h5py.File(path, "r") as file:
            return str(file.attrs.get("source", "")) if "starts" in file and "frames" in file else None
    except OSError:
        return None


def _read_episode(source: EpisodeSource, height: int, width: int, camera: str | None, index: int) -> Arrays:
    """What the cache keeps of an episode, or why it cannot be used."""
    episode = read_good(source, index)
    if isinstance(episode, Damage):
        return {"damage": np.array(json.dumps(asdict(episode)))}
    unknown = np.full(len(episode), np.nan, np.float32)
    tables = {
        "actions": episode.actions,
        "action_mask": episode.action_mask,
        "reward": unknown if episode.reward is None else episode.reward,
        "success": unknown if episode.success is None else episode.success.astype(np.float32),
        "frames": resize_frames(camera_frames(episode, camera), height, width),
        "words": hash_words(episode.text),
    }
    return tables if episode.state is None else tables | {"state": episode.state}


def _join_episodes(source: EpisodeSource, quarantine: Path, parts: Parts, file: h5py.File) -> None:
    """Writes all episodes end to end."""
    damaged, good, lengths = [], [], []
    for index, part in enumerate(parts):
        if "damage" in part:
            damaged.append(Damage(**json.loads(str(part["damage"]))))
        else:
            good.append(index)
        lengths.append(0 if "damage" in part else len(part["action_mask"]))
    write_quarantine(quarantine, len(source), damaged)
    if not good:
        first = f"{damaged[0].reason}: {damaged[0].detail}"
        raise InputError(f"{source.path}: none of {len(source)} episodes can be used, wanted one (first: {first})")
    words = [part["words"] if "words" in part else hash_words(None) for part in parts]
    file["words"] = np.stack(words)
    file["starts"] = np.concatenate([[0], np.cumsum(lengths)])
    for key in (*TABLES, "frames"):
        if all(key in parts[index] for index in good):
            _join(file, key, (parts[index][key] for index in good), sum(lengths))


def _join(file: h5py.File, key: str, arrays: Iterator[np.ndarray], total: int) -> None:
    """Writes arrays end to end, as one contiguous dataset of ``total`` rows."""
    dataset, row = None, 0
    for array in arrays:
        if dataset is None:
            dataset = file.create_dataset(key, (total, *array.shape[1:]), array.dtype)
        dataset[row : row + len(array)] = array
        row += len(array)


def encode_recordings(recordings: Recordings, tokenizer: FrameTokenizer, folder: Path) -> None:
    """Fills ``recordings.latents``, from the cache if the same frames were encoded with the same weights before.

    The tokenizer's own threads (or its GPU) do the work, batch by batch; an interrupted call goes on where it was.

    Raises:
        InputError: the frames are not in a cache.
    """
    frames = recordings.frames
    if not isinstance(frames, DiskArray):
        raise InputError(f"{recordings.name}: frames are in memory, wanted those of a cache")
    path = folder / f"{frames.path.stem}-{weights_key(tokenizer)}.latents.hdf5"

    @torch.no_grad()
    def encode(index: int) -> Arrays:
        pictures = frames[index * ENCODED_AT_ONCE : (index + 1) * ENCODED_AT_ONCE]
        return {"latents": tokenizer.encode(torch.from_numpy(pictures)).half().cpu().numpy()}

    def join(parts: Parts, file: h5py.File) -> None:
        _join(file, "latents", (part["latents"] for part in parts), len(frames))

    description, count = f"encoding {recordings.name}", -(-len(frames) // ENCODED_AT_ONCE)
    build(path, count, encode, join, description=description, source=origin(frames.path) or "", workers=1)
    recordings.latents = open_arrays(path)["latents"]
