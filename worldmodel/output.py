"""Results on disk: a file is written whole or not at all, and JSON never holds NaN or infinity."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from worldmodel.types import InputError


def make_folder(path: str | Path) -> Path:
    """Makes a folder, and those above it, for results.

    Raises:
        InputError: it cannot be made, or cannot be written to.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}, wanted a folder to write to") from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder}: not writable, wanted a folder to write to")
    return folder


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside ``path``, with the same suffix, that becomes ``path`` if nothing goes wrong.

    Raises:
        InputError: the file system refuses (disk full, folder gone or not writable).
    """
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}, wanted a place to write to") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Writes nested values; NumPy becomes plain numbers and lists, what is not finite becomes null."""
    with whole_file(path) as part:
        part.write_text(json.dumps(plain(values), indent=2, allow_nan=False) + "\n")


def plain(value: Any) -> Any:
    """Turns nested values into what JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
