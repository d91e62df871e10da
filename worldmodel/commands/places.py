"""Where commands read and write: recipes by name, and outputs that are checked before the work and finished whole."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from worldmodel.types import InputError

PACKAGE = Path(__file__).resolve().parent.parent
# A wheel carries the recipes inside the package; in a checkout they lie at its top.
RECIPE_FOLDERS = (PACKAGE / "configs", PACKAGE.parent / "configs")


def find_recipe(name: str) -> str:
    """Returns the path of a recipe: the file itself, or a shipped one (``tiny``, ``tiny.yaml``, ``configs/tiny.yaml``).

    Raises:
        InputError: neither a file nor a shipped recipe.
    """
    if Path(name).is_file():
        return name
    shipped = {path.stem: path for folder in RECIPE_FOLDERS for path in sorted(folder.glob("*.yaml"))}
    plain = name.removeprefix("configs/").removesuffix(".yaml")
    if plain not in shipped:
        found = "a folder" if Path(name).is_dir() else "no such file"
        raise InputError(f"{name}: {found}, wanted a YAML recipe or one of {', '.join(shipped) or 'none shipped'}")
    return str(shipped[plain])


def check_writable(path: str | Path) -> Path:
    """Makes sure, before any long work, that files can be written at ``path``; leaves nothing behind.

    Raises:
        InputError: a file is in the way, the place is not writable, or the disk is full.
    """
    path = Path(path)
    place = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
    if not place.is_dir():
        raise InputError(f"{path}: {place} is a file, wanted a folder to write to")
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(bytes(4096))
            file.flush()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, wanted a folder to write to") from error
    return path


@contextmanager
def whole_folder(path: str | Path, recipe: Mapping[str, Any]) -> Iterator[Path]:
    """Yields a hidden folder beside ``path`` that becomes ``path`` only if nothing goes wrong.

    An interrupt or a kill leaves it there for the same command to continue (its name tells the recipe); an error
    removes it.

    Args:
        path: the final folder.
        recipe: plain values that tell this work from other work with the same target.

    Raises:
        InputError: ``path`` exists and is not empty, or cannot be written.
    """
    target = check_writable(path).absolute()
    if target.exists() and any(target.iterdir()):
        raise InputError(f"{path}: folder is not empty, wanted a new one")
    key = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:8]
    part = target.with_name(f".{target.name}.{key}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(target)
    except Exception:
        shutil.rmtree(part, ignore_errors=True)
        raise
