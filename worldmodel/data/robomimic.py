"""Reads robomimic's HDF5 layout, which LIBERO, MimicGen and others write as well: a group per demonstration.

    file                                             Episode
    data/demo_N/obs/CAMERA_image or CAMERA_rgb       frames[CAMERA]
    data/demo_N/obs/robot0_*, or LIBERO's ee_states,
        gripper_states and joint_states              state, end to end in the order of their names
    data/demo_N/actions, rewards, dones (last row)   actions, reward, terminated
    data.attrs env_args (JSON): control_freq         fps
    data.attrs problem_info (JSON), LIBERO only      text

LIBERO's own files (those with the attribute ``macros_image_convention``) differ from robomimic's in two ways, and are
put right here:

* Their row t shows what ``actions[t]`` led to, where robomimic's shows what was seen before it. So ``actions[t]`` of
  an episode is row t + 1 of the file, rewards alike; the last action is unknown, and the first, which no picture
  precedes, is left out.
* Their pictures lie bottom row first, as OpenGL draws them, when the attribute says ``opengl``. They are turned upside
  down; left and right stay. (OpenVLA's and LeRobot's versions are rotated by half a turn, that is, mirrored as well.)

Files without that attribute are taken as they are.

Sources: https://robomimic.github.io/docs/datasets/overview.html; LIBERO (2023), ``scripts/create_dataset.py``.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Float32, UInt8

from worldmodel.data.demonstrations import (
    Kind,
    Survey,
    by_number,
    detect_layout,
    find_files,
    names,
    opened,
    read_group,
    read_numbers,
    read_pictures,
)
from worldmodel.types import EmbodimentSpec, Episode, InputError

DEMO = re.compile(r"demo_\d+")
CAMERA = re.compile(r"(.+)_(image|rgb)")
PICTURES = re.compile(r"_(image|rgb|depth|segmentation.*)$")
ROBOT_STATE = re.compile(r"robot\d+_.+")
LIBERO_STATE = ("ee_states", "gripper_states", "joint_states")
LIBERO_MARK = "macros_image_convention"
FPS = 20.0  # robosuite's control_freq, where a file does not tell


def detect(path: Path) -> bool:
    """Tells whether a file, or any file of a folder, holds ``data/demo_N``."""
    return detect_layout(path, lambda file: bool(_demos(file)))


class RobomimicSource:
    """Demonstrations of one file, or of all HDF5 files of a folder (LIBERO keeps one task per file).

    A file of a folder that cannot be opened counts as one episode, which raises `InputError` when it is asked for.

    Args:
        path: the file or folder.
        embodiment: a name of `EMBODIMENTS`; by default one named after the path, with action dimensions ``a0``, ``a1``,
            ... and the ranges that the dataset's numbers have.

    Raises:
        InputError: nothing there, no readable demonstration, unknown embodiment or one that does not fit.
    """

    format = "robomimic"

    def __init__(self, path: str | Path, embodiment: str | None = None) -> None:
        self.path = str(path)
        self._episodes = [(file, name) for file in find_files(Path(path)) for name in _demos_or_none(file)]
        survey = Survey()
        for file, name in self._episodes:
            with survey.tolerant(), opened(file) as content:
                demo = _Demo(content, file, name)
                survey.add(demo.kind, demo.actions, demo.state, demo.fps)
        self._kind, spec = survey.result(self.path, embodiment)
        self.embodiments: Sequence[EmbodimentSpec] = [spec]

    def __len__(self) -> int:
        return len(self._episodes)

    def __getitem__(self, index: int) -> Episode:
        if not 0 <= index < len(self):
            raise IndexError(f"{self.path}: episode {index} of {len(self)}")
        file, name = self._episodes[index]
        with opened(file) as content:
            demo = _Demo(content, file, name)
            self._kind.check(demo.kind, demo.where)
            frames = {camera: demo.pictures(key) for camera, key in demo.cameras.items()}
            reward, done = demo.optional("rewards"), demo.optional("dones")
        actions, known = demo.actions, np.ones(len(demo.actions), bool)
        if demo.seen_after:
            known[-1] = False
            actions = _next_row(actions, 0.0)
            reward = None if reward is None else _next_row(reward, np.nan)
        return Episode(
            frames=frames,
            actions=actions,
            action_mask=known,
            state=demo.state if demo.state.shape[1] else None,
            reward=None if reward is None else reward[:, 0],
            terminated=done is not None and bool(done[-1, 0]),
            text=demo.text,
            fps=demo.fps,
            embodiment=self.embodiments[0].name,
            episode_id=name if file == Path(self.path) else f"{file.stem}/{name}",
            source=self.path,
        ).validate()


class _Demo:
    """One demonstration of an open file: its numbers, and what the file's attributes say of it.

    Attributes:
        where: names it in messages.
        actions: as the file has them.
        state: n is 0 where there is none.
        cameras: name -> key in ``obs``.
        kind: widths and cameras.
        fps: frames per second.
        text: instruction, or None.
        seen_after: row t of ``obs`` shows what row t of ``actions`` led to (and not what was seen before it).
    """

    def __init__(self, file: h5py.File, path: Path, name: str) -> None:
        self.where = f"{path}: {name}"
        data = read_group(file, "data", str(path))
        if not name:
            raise InputError(f"{path}: no group demo_N in /data, wanted demonstrations")
        if not DEMO.fullmatch(name):
            raise InputError(f"{self.where}: a group of another name in /data, wanted demo_N")
        self._group = read_group(data, name, str(path))
        self._obs = read_group(self._group, "obs", self.where)
        self.cameras = {match[1]: key for key in names(self._obs) if (match := CAMERA.fullmatch(key))}
        if not self.cameras:
            found = ", ".join(names(self._obs)) or "nothing"
            raise InputError(f"{self.where}: obs holds {found}, wanted pictures (CAMERA_image or CAMERA_rgb)")
        self.actions = read_numbers(self._group, "actions", self.where)
        self.state = self._read_state()
        self.kind = Kind.of(self.actions, self.state, self.cameras)
        settings, problem = _json(data, "env_args", path), _json(data, "problem_info", path)
        self.fps = _rate(settings, path)
        self.text = str(problem.get("language_instruction") or "") or None
        self.seen_after = LIBERO_MARK in data.attrs
        self._bottom_first = _text(data, LIBERO_MARK) == "opengl"

    def pictures(self, key: str) -> UInt8[np.ndarray, "t h w 3"]:
        """Reads the pictures of a camera, top row first."""
        frames = read_pictures(self._obs, key, self.where, len(self.actions))
        return np.ascontiguousarray(frames[:, ::-1]) if self._bottom_first else frames

    def optional(self, name: str) -> Float32[np.ndarray, "t 1"] | None:
        """Reads a number per step, or returns None where the file has none."""
        return read_numbers(self._group, name, self.where, len(self.actions), 1) if name in self._group else None

    def _read_state(self) -> Float32[np.ndarray, "t s"]:
        keys = [key for key in names(self._obs) if ROBOT_STATE.fullmatch(key) and not PICTURES.search(key)]
        keys = keys or [key for key in LIBERO_STATE if key in self._obs]
        parts = [read_numbers(self._obs, key, self.where, len(self.actions)) for key in keys]
        return np.concatenate([np.zeros((len(self.actions), 0), np.float32), *parts], axis=1)


def _demos(file: h5py.File) -> list[str]:
    """Returns the names of the demonstrations, demo_2 before demo_10."""
    data = file.get("data")
    return sorted(filter(DEMO.fullmatch, names(data)), key=by_number) if isinstance(data, h5py.Group) else []


def _demos_or_none(path: Path) -> list[str]:
    """Returns the names of a file's demonstrations; one empty name where it has none or cannot be opened.

    Groups beside them under other names are lost demonstrations, and come last.
    """
    try:
        with opened(path) as file:
            if not (demos := _demos(file)):
                return [""]
            data = read_group(file, "data", str(path))
            return demos + [name for name in names(data) if name not in demos and isinstance(data[name], h5py.Group)]
    except InputError:
        return [""]


def _text(group: h5py.Group, name: str) -> str:
    """Returns an attribute as text; empty where it is missing."""
    value = group.attrs.get(name, "")
    return value.decode() if isinstance(value, bytes) else str(value)


def _json(group: h5py.Group, name: str, path: Path) -> dict[str, Any]:
    """Returns an attribute that holds a JSON object; an empty one where it is missing."""
    try:
        values = json.loads(_text(group, name) or "{}")
    except ValueError as error:
        raise InputError(f"{path}: attribute {name} of /data is not JSON ({error}), wanted a JSON object") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: attribute {name} of /data is a {type(values).__name__}, wanted a JSON object")
    return values


def _rate(settings: dict[str, Any], path: Path) -> float:
    """Returns frames per second, which robosuite calls its control frequency."""
    options = settings.get("env_kwargs") or {}
    if not isinstance(options, dict):
        raise InputError(f"{path}: env_kwargs {options!r} in env_args, wanted a JSON object")
    rate = options.get("control_freq") or FPS
    if not isinstance(rate, int | float) or not 0 < rate < np.inf:
        raise InputError(f"{path}: control_freq {rate!r} in env_args, wanted a positive number")
    return float(rate)


def _next_row(values: Float32[np.ndarray, "t n"], last: float) -> Float32[np.ndarray, "t n"]:
    """Moves every row one step earlier; the last one becomes ``last``."""
    return np.concatenate([values[1:], np.full_like(values[:1], last)])
