"""Reads the HDF5 layout of ACT and ALOHA: one file per episode, several cameras, joint positions as state and action.

    file                                Episode
    observations/images/CAMERA          frames[CAMERA]
    observations/qpos, action           state, actions

A camera is uint8 (t h w 3), or one JPEG per step: uint8 (t n), padded with zeros to equal length, or strings of bytes.
ACT compresses RGB pictures with OpenCV, which takes them for BGR. So red and blue are swapped in the JPEG, and decoding
with OpenCV swaps them back; that is done here, as in ACT's and LeRobot's readers. (A JPEG that an image viewer shows in
its true colours was written by another program, and comes out with red and blue swapped.)

Sources: Zhao et al. 2023, https://github.com/tonyzhaozh/act; ``record_episodes.py`` of https://github.com/MarkFzp/mobile-aloha.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import h5py
import numpy as np
from jaxtyping import Float32, UInt8

from worldmodel.data.demonstrations import (
    Kind,
    Survey,
    check_length,
    detect_layout,
    find_files,
    get_dataset,
    names,
    opened,
    read_group,
    read_numbers,
    read_pictures,
)
from worldmodel.types import EmbodimentSpec, Episode, InputError

JPEG_END = b"\xff\xd9"


def detect(path: Path) -> bool:
    """Tells whether a file, or any file of a folder, holds ``observations/images``."""
    return detect_layout(path, lambda file: isinstance(file.get("observations/images"), h5py.Group))


class AlohaSource:
    """Episodes of a folder of HDF5 files, or the one episode of a file.

    Args:
        path: the file or folder.
        embodiment: a name of `EMBODIMENTS`; by default one named after the path, with action dimensions ``a0``, ``a1``,
            ... and the ranges that the dataset's numbers have.
        fps: steps per second, which the files do not tell.

    Raises:
        InputError: nothing there, no readable episode, unknown embodiment or one that does not fit.
    """

    format = "aloha"

    def __init__(self, path: str | Path, embodiment: str | None = None, fps: float = 50.0) -> None:
        self.path = str(path)
        self._files = find_files(Path(path))
        survey = Survey()
        for file in self._files:
            with survey.tolerant(), opened(file) as content:
                actions, state, cameras = _read_layout(content, str(file))
                survey.add(Kind.of(actions, state, names(cameras)), actions, state, fps)
        self._kind, spec = survey.result(self.path, embodiment)
        self._fps = fps
        self.embodiments: Sequence[EmbodimentSpec] = [spec]

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Episode:
        if not 0 <= index < len(self):
            raise IndexError(f"{self.path}: episode {index} of {len(self)}")
        file, where = self._files[index], str(self._files[index])
        with opened(file) as content:
            actions, state, cameras = _read_layout(content, where)
            self._kind.check(Kind.of(actions, state, names(cameras)), where)
            frames = {name: _read_camera(cameras, name, where, len(actions)) for name in names(cameras)}
        return Episode(
            frames=frames,
            actions=actions,
            action_mask=np.ones(len(actions), bool),
            state=state,
            fps=self._fps,
            embodiment=self.embodiments[0].name,
            episode_id=file.stem,
            source=self.path,
        ).validate()


def _read_layout(
    file: h5py.File, where: str
) -> tuple[Float32[np.ndarray, "t a"], Float32[np.ndarray, "t s"], h5py.Group]:
    """Returns actions, state, and the group of cameras."""
    observations = read_group(file, "observations", where)
    actions = read_numbers(file, "action", where)
    state = read_numbers(observations, "qpos", where, len(actions))
    cameras = read_group(observations, "images", where)
    if not len(cameras):
        raise InputError(f"{where}: no camera in {cameras.name}, wanted at least one")
    return actions, state, cameras


def _read_camera(cameras: h5py.Group, name: str, where: str, length: int) -> UInt8[np.ndarray, "t h w 3"]:
    """Reads the pictures of one camera, raw or coded."""
    data = get_dataset(cameras, name, where)
    if not (data.dtype == np.uint8 and data.ndim == 2) and not (data.dtype.kind in "OS" and data.ndim == 1):
        return read_pictures(cameras, name, where, length)
    check_length(data, f"camera {name}", where, length)
    first = _decode(data[0], f"{where}: camera {name}, frame 0")
    frames = np.empty((length, *first.shape), np.uint8)
    for t in range(length):
        picture = _decode(data[t], f"{where}: camera {name}, frame {t}")
        if picture.shape != first.shape:
            raise InputError(f"{where}: camera {name}, frame {t} is {picture.shape}, wanted {first.shape} as before it")
        frames[t] = picture
    return frames


def _decode(coded: UInt8[np.ndarray, "n"] | bytes, where: str) -> UInt8[np.ndarray, "h w 3"]:
    """Decodes one JPEG, with zeros or nothing after it.

    A missing end is looked for here, because OpenCV fills up what is missing with grey and says nothing.
    """
    data = np.frombuffer(coded, np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if JPEG_END in data.tobytes() else None
    if picture is None:
        raise InputError(f"{where}: {len(data)} bytes cannot be decoded, wanted a whole JPEG")
    return np.asarray(picture, np.uint8)
