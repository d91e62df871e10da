"""Reads DROID episodes in the layout of mp4 clips beside JSON annotations, which Ctrl-World and others use.

    SET/annotation/SPLIT/ID.json                     Episode
    videos[N].video_path (below SET)                 frames["camera_N"]
    states (row per picture): pose, gripper          state
    action.cartesian_position, .gripper_position     actions
    texts[0], success                                text, success (of the last step)

Pictures come at 5 Hz, the robot's rows at 15 Hz, and picture t was taken with row 3 t. Actions are absolute targets, so
the last of three stands for them: ``actions[t]`` is row 3 t + 2, the target in force when picture t + 1 is taken. Past
the last row it is unknown. A set without actions (states only) gives episodes whose actions are all unknown.

Roll is told within [0, 2 pi) instead of [-pi, pi): the gripper points down, where the latter jumps.

Source: https://github.com/Robert-gyj/Ctrl-World; DROID, https://droid-dataset.github.io
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from worldmodel.data.derived import Ranges, licence_beside, named_embodiment, sampled
from worldmodel.data.lerobot_layout import read_json
from worldmodel.data.video import read_clip
from worldmodel.types import ActionDim, ActionSpec, EmbodimentSpec, Episode, InputError

ACTION_HZ = 15.0
TARGETS = {"action.cartesian_position": 6, "action.gripper_position": 1}  # key -> numbers per row
NAMES = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
UNITS = ("m", "m", "m", "rad", "rad", "rad", "")
ROLL = NAMES.index("roll")


def detect(path: Path) -> bool:
    """Tells whether a folder, or one directly in it, holds an ``annotation`` with ``videos`` and ``states``."""
    for file in find_annotations(path):
        try:
            if {"videos", "states"} <= read_json(file).keys():
                return True
        except InputError:
            continue  # another one may be whole
    return False


def find_annotations(path: Path) -> list[Path]:
    """Returns the annotations of a set, or of all sets in a folder, in the order of their paths."""
    if not path.is_dir():
        return []
    folders = (folder / "annotation" for folder in (path, *path.iterdir()))
    return sorted(file for folder in folders if folder.is_dir() for file in folder.rglob("*.json"))


class DroidSource:
    """Episodes of one set or of several side by side.

    Args:
        path: the folder that holds ``annotation`` and ``videos``, or a folder of such folders.
        embodiment: a name of `EMBODIMENTS`; by default ``"droid"`` with ranges over at most `SAMPLED_EPISODES` of them.

    Raises:
        InputError: no annotation there, or an embodiment that does not fit.
    """

    format = "droid"

    def __init__(self, path: str | Path, embodiment: str | None = None) -> None:
        self.path = str(path)
        self._files = find_annotations(Path(path))
        if not self._files:
            raise InputError(f"{path}: no annotation/SPLIT/ID.json found, wanted DROID clips with annotations")
        self._licence = licence_beside(Path(path))
        self.embodiments: Sequence[EmbodimentSpec] = [self._spec(embodiment)]

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Episode:
        if not 0 <= index < len(self):
            raise IndexError(f"{self.path}: episode {index} of {len(self)}")
        file, spec = self._files[index], self.embodiments[0]
        annotation = read_json(file)
        state = _pose(annotation, {"states": len(NAMES)}, file)
        clips = {name: read_clip(clip) for name, clip in _clips(annotation, file).items()}
        frames = {name: _cut(pictures, len(state), f"{file}: {name}") for name, (pictures, _) in clips.items()}
        rates = {fps for _, fps in clips.values()}
        if len(rates) != 1:
            raise InputError(f"{file}: cameras at {sorted(rates)} frames per second, wanted one rate")
        fps = rates.pop()
        actions, known = np.zeros((len(state), len(NAMES)), np.float32), np.zeros(len(state), bool)
        if _has_targets(annotation):
            actions, known = align_targets(_pose(annotation, TARGETS, file), len(state), fps, str(file))
        texts = annotation.get("texts")
        return Episode(
            frames=frames,
            actions=actions,
            action_mask=known,
            state=state,
            success=_success(annotation, len(state)),
            text=str(texts[0]) or None if isinstance(texts, list) and texts else None,
            fps=fps,
            embodiment=spec.name,
            episode_id=str(file.relative_to(self.path).with_suffix("")),
            source=self.path,
            licence=self._licence,
        ).validate()

    def _spec(self, embodiment: str | None) -> EmbodimentSpec:
        if embodiment is not None:
            return named_embodiment(embodiment, self.path, len(NAMES), len(NAMES))
        actions, states, fps = Ranges(len(NAMES)), Ranges(len(NAMES)), 0.0
        for file in (self._files[index] for index in sampled(len(self))):
            try:
                annotation = read_json(file)
                states.add(_pose(annotation, {"states": len(NAMES)}, file))
                if _has_targets(annotation):
                    actions.add(_pose(annotation, TARGETS, file))
                fps = fps or read_clip(next(iter(_clips(annotation, file).values())))[1]
            except InputError:
                continue  # told when the episode is asked for
        limits = zip(NAMES, *actions.limits(), UNITS, strict=True)
        dims = tuple(ActionDim(name, "continuous", low, high, unit) for name, low, high, unit in limits)
        return EmbodimentSpec("droid", ActionSpec(dims), *states.limits(), fps or 5.0)


def align_targets(
    targets: Float32[np.ndarray, "n a"], length: int, fps: float, where: str
) -> tuple[Float32[np.ndarray, "t a"], Bool[np.ndarray, "t"]]:
    """Picks the target in force when each next picture is taken.

    Args:
        targets: absolute, at `ACTION_HZ`, the first one together with picture 0.
        length: number of pictures.
        fps: pictures per second.
        where: the file, for messages.

    Returns:
        One target per picture, and which of them are known.

    Raises:
        InputError: targets and pictures do not last equally long.
    """
    stride = ACTION_HZ / fps
    if stride < 1 or length != math.ceil(len(targets) / stride - 1e-6):
        found = f"{len(targets)} actions at {ACTION_HZ:g} Hz, {length} pictures at {fps:g} Hz"
        raise InputError(f"{where}: {found}, wanted {math.ceil(len(targets) / stride - 1e-6)} pictures")
    rows = np.round(np.arange(1, length + 1) * stride).astype(int) - 1
    return targets[np.minimum(rows, len(targets) - 1)], rows < len(targets)


def _has_targets(annotation: Mapping[str, Any]) -> bool:
    return any(key in annotation for key in TARGETS)


def _pose(annotation: Mapping[str, Any], keys: Mapping[str, int], file: Path) -> Float32[np.ndarray, "t 7"]:
    """Returns keys of so many numbers a row side by side: pose and gripper."""
    columns: list[np.ndarray] = []
    for key, width in keys.items():
        try:
            values = np.asarray(annotation.get(key, ()), np.float32)
        except (ValueError, TypeError, OverflowError) as error:
            raise InputError(f"{file}: {key} is no table of numbers, wanted rows of {width}") from error
        rows = values[:, None] if values.ndim == 1 else values
        if not rows.size or rows.shape[1:] != (width,) or (columns and len(rows) != len(columns[0])):
            wanted = f"({len(columns[0]) if columns else 'rows'}, {width})"
            raise InputError(f"{file}: {key} has shape {values.shape}, wanted {wanted}")
        columns.append(rows)
    pose = np.concatenate(columns, axis=1)
    pose[:, ROLL] %= 2 * math.pi
    return pose


def _clips(annotation: Mapping[str, Any], file: Path) -> dict[str, Path]:
    """Returns the clip of every camera."""
    root = next(folder.parent for folder in file.parents if folder.name == "annotation")
    try:
        paths = [root / entry["video_path"] for entry in annotation["videos"]]
    except (KeyError, TypeError) as error:
        raise InputError(f"{file}: no list of videos with a video_path each, wanted one") from error
    if not paths:
        raise InputError(f"{file}: no video, wanted at least one")
    return {f"camera_{path.stem}": path for path in paths}


def _cut(pictures: UInt8[np.ndarray, "t h w 3"], length: int, where: str) -> UInt8[np.ndarray, "t2 h w 3"]:
    """Drops the one picture that some clips have after the last state."""
    if len(pictures) not in (length, length + 1):
        raise InputError(f"{where}: {len(pictures)} pictures, wanted {length}, one per state")
    return pictures[:length]


def _success(annotation: Mapping[str, Any], length: int) -> Bool[np.ndarray, "t"] | None:
    """Returns False but for the last step of an episode that is said to have reached its goal."""
    reached = np.zeros(length, bool)
    reached[-1] = bool(annotation.get("success"))
    return reached if "success" in annotation else None
