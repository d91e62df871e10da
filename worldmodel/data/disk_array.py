"""Arrays that stay on disk: contiguous HDF5 datasets, read with one system call a window.

A memory map would do as well for speed, but every page it has touched counts as the process's memory. Reading at an
offset leaves nothing behind, and does not care how many processes share the file.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from worldmodel.types import InputError


class DiskArray:
    """An array in a file, indexed along its first axis; what is read is an ordinary array.

    Copies that are sent to other processes open the file anew.

    Args:
        path: the file.
        offset: of the first value, in bytes.
        shape: of the whole array.
        dtype: of its values.
        then: what values pass through as they are read, such as a normalisation; None: nothing.
    """

    def __init__(
        self,
        path: str | Path,
        offset: int,
        shape: tuple[int, ...],
        dtype: np.dtype | type,
        then: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self.path, self.offset, self.shape, self.dtype, self.then = Path(path), offset, shape, np.dtype(dtype), then
        self._stride = int(np.prod(shape[1:])) * self.dtype.itemsize
        self._file = self.path.open("rb", buffering=0)

    def __len__(self) -> int:
        return self.shape[0]

    def __reduce__(self) -> tuple[Any, ...]:
        return DiskArray, (self.path, self.offset, self.shape, self.dtype, self.then)

    def __getitem__(self, index: int | slice | np.ndarray) -> np.ndarray:
        """Rows ``start:stop:step``, or those that an integer or an array of integers names."""
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step < 1:
                raise IndexError(f"{self.path}: step {step}, wanted at least 1")
            return self._read(start, max(stop - start, 0))[::step]
        rows = np.asarray(index)
        if rows.size and (rows.min() < -len(self) or rows.max() >= len(self)):
            raise IndexError(f"{self.path}: row {rows.min()} to {rows.max()} of {len(self)}")
        parts = [self._read(int(row) % len(self), 1) for row in rows.flat]
        flat = np.concatenate(parts) if parts else self._read(0, 0)
        return flat.reshape(*rows.shape, *flat.shape[1:])

    def read_into(self, out: np.ndarray, start: int) -> None:
        """Fills ``out`` (contiguous, of the same type) with the rows from ``start`` on, as they are in the file.

        Raises:
            InputError: the file ends too early.
        """
        view, place = memoryview(out.reshape(-1).view(np.uint8)), self.offset + start * self._stride
        while len(view):
            read = os.preadv(self._file.fileno(), [view], place)
            if not read:
                raise InputError(f"{self.path}: ends at byte {place}, wanted {len(view)} more; remove it to rebuild it")
            view, place = view[read:], place + read

    def _read(self, start: int, count: int) -> np.ndarray:
        out = np.empty((count, *self.shape[1:]), self.dtype)
        self.read_into(out, start)
        return out if self.then is None else self.then(out)


Rows = np.ndarray | DiskArray


def copy_rows(source: Rows, start: int, out: np.ndarray) -> None:
    """Fills ``out`` with the rows of ``source`` from ``start`` on."""
    if isinstance(source, DiskArray) and source.then is None:
        source.read_into(out, start)
    else:
        out[:] = source[start : start + len(out)]


def open_arrays(path: Path) -> dict[str, DiskArray]:
    """The contiguous datasets of an HDF5 file, by name.

    Raises:
        InputError: no whole HDF5 file.
    """
    try:
        with h5py.File(path, "r") as file:
            datasets = {key: value for key, value in file.items() if isinstance(value, h5py.Dataset)}
            return {
                # An empty dataset has no place in the file, and needs none.
                key: DiskArray(path, dataset.id.get_offset() or 0, dataset.shape, dataset.dtype)
                for key, dataset in datasets.items()
            }
    except OSError as error:
        raise InputError(f"{path}: damaged ({error}), wanted a whole HDF5 file; remove it to rebuild it") from error
