"""Builds a large file from parts that are made by several processes and kept until the file is whole.

A part takes its name only when it is complete, so a build that is killed goes on from the parts that are there, and
ends in the same file, whatever the number of processes. The parts lie in ``FILE.parts`` beside the file to be.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import cv2
import h5py
import numpy as np
from rich.progress import track
from torch.utils.data import DataLoader, Dataset

from worldmodel.output import whole_file
from worldmodel.types import InputError

Arrays = Mapping[str, np.ndarray]
Make = Callable[[int], Arrays]


def default_workers() -> int:
    """One process per core that this one may use, less one for the rest of the machine."""
    return max(1, len(os.sched_getaffinity(0)) - 1)


class Parts:
    """Finished parts, read when asked for; arrays of a part are read by name.

    Args:
        folder: where they lie.
        count: how many there are.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.count = folder, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Arrays:
        return np.load(self.path(index))

    def __iter__(self) -> Iterator[Arrays]:
        return (self[index] for index in range(self.count))

    def path(self, index: int) -> Path:
        return self.folder / f"{index:08d}.npz"


class _Missing(Dataset[InputError | None]):
    """Makes the parts that are not there, as a data loader asks for them; gives back what went wrong."""

    def __init__(self, parts: Parts, make: Make) -> None:
        self.parts, self.make = parts, make
        self.indices = [index for index in range(len(parts)) if not parts.path(index).exists()]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> InputError | None:
        index = self.indices[position]
        try:
            with whole_file(self.parts.path(index)) as path:
                np.savez(path, allow_pickle=False, **self.make(index))
        except InputError as error:  # raised here, it would come out of a worker with a traceback for a message
            return error
        return None


def build(
    path: Path,
    count: int,
    make: Make,
    assemble: Callable[[Parts, h5py.File], None],
    *,
    description: str,
    source: str,
    workers: int,
) -> None:
    """Builds an HDF5 file, or goes on building it; processes that want the same file wait for each other.

    Args:
        path: of the file; nothing is done if it is there.
        count: number of parts.
        make: makes a part; called in other processes if there are several workers.
        assemble: fills the file from the parts.
        description: for the progress bar.
        source: whose contents the parts hold, noted beside them and as the file's attribute ``source``.
        workers: processes that make parts; 1: this one.

    Raises:
        InputError: less than one worker, what ``make`` and ``assemble`` raise, or the disk refuses.
    """
    if workers < 1:
        raise InputError(f"workers: found {workers}, wanted at least 1")
    folder = path.with_suffix(".parts")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone_in(path.parent):
            if not path.exists():
                folder.mkdir(exist_ok=True)
                (folder / "source").write_text(source)
                _make_missing(Parts(folder, count), make, description, workers)
                _assemble(Parts(folder, count), assemble, path, source)
    shutil.rmtree(folder, ignore_errors=True)


def _make_missing(parts: Parts, make: Make, description: str, workers: int) -> None:
    missing = _Missing(parts, make)
    # A data loader's processes end by themselves when this one is killed; they start before the bar does, a thread.
    loader = DataLoader(
        missing,
        batch_size=None,
        num_workers=workers if workers > 1 else 0,
        multiprocessing_context="fork" if workers > 1 else None,
        worker_init_fn=_start_worker,
    )
    done = len(parts) - len(missing)
    for error in track(iter(loader), description, total=len(parts), completed=done, disable=not len(missing)):
        if error is not None:
            raise error


def _start_worker(_: int) -> None:
    cv2.setNumThreads(0)  # its threads do not outlive a fork


def _assemble(parts: Parts, assemble: Callable[[Parts, h5py.File], None], path: Path, source: str) -> None:
    partial = parts.folder / "whole.hdf5"
    try:
        with h5py.File(partial, "w") as file:
            file.attrs["source"] = source
            assemble(parts, file)
        partial.replace(path)
    except InputError:
        shutil.rmtree(parts.folder, ignore_errors=True)
        raise
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}, wanted a place to write to") from error


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Waits until no other process builds in the folder; the lock ends with the process, however that ends."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
