"""What the readers of HDF5 demonstrations share: opening files, checked reading, embodiments made from the numbers."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import h5py
import numpy as np
from jaxtyping import Float32, UInt8

from worldmodel.data.embodiments import EMBODIMENTS
from worldmodel.types import ActionDim, ActionSpec, EmbodimentSpec, InputError

SUFFIXES = (".hdf5", ".h5")
# What h5py raises on damaged files, and OpenCV on damaged pictures.
DAMAGE = (OSError, LookupError, RuntimeError, ValueError, TypeError, ArithmeticError, MemoryError, cv2.error)
DEFLATE_RATIO = 1032  # to which zlib can shrink data at most
HARMLESS_BYTES = 2**28  # whatever a file's size, so much memory may be asked for


def find_files(path: Path) -> list[Path]:
    """Returns the HDF5 files of a folder (or the file itself), 2 before 10.

    Raises:
        InputError: nothing there, or no such file in the folder.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder, wanted HDF5 files")
    files = [file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file()]
    if not files:
        raise InputError(f"{path}: no HDF5 file found, wanted {' or '.join(SUFFIXES)}")
    return sorted(files, key=lambda file: by_number(file.name))


def by_number(name: str) -> list[tuple[int, str]]:
    """Sorts names by the numbers in them: demo_2 before demo_10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", name) if part]


def detect_layout(path: Path, fits: Callable[[h5py.File], bool]) -> bool:
    """Tells whether the file, or any file of a folder, has a layout."""
    if not path.exists() or (path.is_dir() and not any(file.suffix.lower() in SUFFIXES for file in path.iterdir())):
        return False
    for file in find_files(path):
        try:
            with opened(file) as content:
                if fits(content):
                    return True
        except InputError:
            continue
    return False


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Opens a file for reading; damage that shows only while it is read is an `InputError` as well."""
    if not path.is_file():
        raise InputError(f"{path}: no such file, wanted an HDF5 file")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except InputError:
        raise
    except DAMAGE as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: not a whole HDF5 file ({reason}), wanted one") from error


def names(group: h5py.Group) -> list[str]:
    """Returns the names in a group, in their alphabetical order."""
    return [str(name) for name in group]


def read_group(parent: h5py.Group, name: str, where: str) -> h5py.Group:
    """Returns a group that has to be there."""
    found = parent.get(name)
    if not isinstance(found, h5py.Group):
        raise InputError(f"{where}: no group {name!r} in {parent.name}, wanted one")
    return found


def read_numbers(
    parent: h5py.Group, name: str, where: str, length: int | None = None, width: int | None = None
) -> Float32[np.ndarray, "t n"]:
    """Reads a column of vectors, or of single numbers (then n is 1).

    Args:
        parent: the group that it is in.
        name: of the dataset.
        where: names the episode in messages.
        length: wanted t, where it is known.
        width: wanted n, where it is known.

    Raises:
        InputError: not there, no numbers, empty, another length or width, NaN or infinity.
    """
    data = get_dataset(parent, name, where)
    if data.dtype.kind not in "fiub" or data.ndim not in (1, 2) or not data.size:
        raise InputError(f"{where}: {name} is {data.dtype} {data.shape}, wanted numbers (t, n)")
    check_length(data, name, where, length)
    with np.errstate(over="ignore"):
        values = np.asarray(data[()]).astype(np.float32).reshape(len(data), -1)
    if width not in (None, values.shape[1]):
        raise InputError(f"{where}: {name} is {data.shape}, wanted ({len(data)}, {width})")
    if not np.isfinite(values).all():
        raise InputError(f"{where}: {name} holds NaN or infinity, wanted finite numbers")
    return values


def read_pictures(parent: h5py.Group, name: str, where: str, length: int) -> UInt8[np.ndarray, "t h w 3"]:
    """Reads the pictures of one camera.

    Raises:
        InputError: not there, not uint8 RGB, or another number than ``length``.
    """
    data = get_dataset(parent, name, where)
    if data.dtype != np.uint8 or data.ndim != 4 or data.shape[-1] != 3 or not data.size:
        raise InputError(f"{where}: camera {name} is {data.dtype} {data.shape}, wanted uint8 (t, h, w, 3)")
    check_length(data, f"camera {name}", where, length)
    return np.asarray(data[()])


def get_dataset(parent: h5py.Group, name: str, where: str) -> h5py.Dataset:
    """Returns a dataset that has to be there, and whose size the file's own size can account for."""
    data = parent.get(name)
    if not isinstance(data, h5py.Dataset):
        raise InputError(f"{where}: no dataset {name!r} in {parent.name}, wanted one")
    if data.nbytes > max(DEFLATE_RATIO * data.file.id.get_filesize(), HARMLESS_BYTES):
        raise InputError(f"{where}: {name} is {data.dtype} {data.shape}, wanted no more than the file can hold")
    return data


def check_length(data: h5py.Dataset, name: str, where: str, length: int | None) -> None:
    """Refuses a dataset that has another number of rows than ``length``, that of the actions."""
    if length is not None and len(data) != length:
        raise InputError(f"{where}: lengths differ ({name} {len(data)}, actions {length}), wanted one length")


@dataclass(frozen=True)
class Kind:
    """What the episodes of a dataset have in common: the widths of actions and state, and the cameras."""

    action_dims: int
    state_dims: int
    cameras: tuple[str, ...]

    @staticmethod
    def of(actions: Float32[np.ndarray, "t a"], state: Float32[np.ndarray, "t s"], cameras: Iterable[str]) -> "Kind":
        return Kind(actions.shape[1], state.shape[1], tuple(cameras))

    def __str__(self) -> str:
        return f"{self.action_dims} actions, {self.state_dims} state numbers, cameras {', '.join(self.cameras)}"

    def check(self, found: "Kind", where: str) -> None:
        """Refuses an episode of another kind."""
        if found != self:
            raise InputError(f"{where}: {found}, wanted {self} as in most episodes")


@dataclass
class _Range:
    """Of one kind: how many episodes there are, and the limits of the actions and state, end to end."""

    episodes: int
    fps: float
    low: Float32[np.ndarray, "n"]
    high: Float32[np.ndarray, "n"]


class Survey:
    """Looks at the numbers of every episode and keeps their ranges; the commonest kind of episode is the dataset's.

    A damaged episode spoils nothing: it is passed over here, and tells what is wrong when it is asked for.
    """

    def __init__(self) -> None:
        self._ranges: dict[Kind, _Range] = {}
        self._problem: InputError | None = None

    @contextmanager
    def tolerant(self) -> Iterator[None]:
        """Passes over an episode that cannot be read; the first problem is told if no episode can."""
        try:
            yield
        except InputError as error:
            self._problem = self._problem or error

    def add(
        self, kind: Kind, actions: Float32[np.ndarray, "t a"], state: Float32[np.ndarray, "t s"], fps: float
    ) -> None:
        """Counts an episode in."""
        rows = np.concatenate([actions, state], axis=1)
        found = self._ranges.setdefault(kind, _Range(0, fps, rows[0], rows[0]))
        found.low, found.high = np.minimum(found.low, rows.min(0)), np.maximum(found.high, rows.max(0))
        found.episodes += 1

    def result(self, path: str, embodiment: str | None) -> tuple[Kind, EmbodimentSpec]:
        """Returns the dataset's kind and its embodiment: the named one, else one made from the ranges.

        Raises:
            InputError: no episode can be read, or the named embodiment is unknown or has other dimensions.
        """
        if embodiment is not None and embodiment not in EMBODIMENTS:
            raise InputError(f"embodiment {embodiment!r} is unknown, wanted one of: {', '.join(EMBODIMENTS)}")
        if not self._ranges:
            raise self._problem or InputError(f"{path}: no episode found, wanted at least one")
        kind, found = max(self._ranges.items(), key=lambda item: item[1].episodes)
        if embodiment is None:
            return kind, _derive(Path(path), kind, found)
        spec = EMBODIMENTS[embodiment]
        if (len(spec.action), len(spec.state_low)) != (kind.action_dims, kind.state_dims):
            wanted = f"{len(spec.action)} actions, {len(spec.state_low)} state numbers"
            raise InputError(f"{path}: {kind}, wanted {wanted} for {embodiment}")
        return kind, spec


def _derive(path: Path, kind: Kind, found: _Range) -> EmbodimentSpec:
    """Makes an embodiment named after the path; a dimension that never moves gets a range of one."""
    low, high = found.low.tolist(), np.where(found.high > found.low, found.high, found.low + 1).tolist()
    limits = zip(low[: kind.action_dims], high, strict=False)
    dims = tuple(ActionDim(f"a{i}", low=first, high=last) for i, (first, last) in enumerate(limits))
    name = path.stem if path.is_file() else path.resolve().name
    return EmbodimentSpec(name, ActionSpec(dims), low[kind.action_dims :], high[kind.action_dims :], found.fps)
