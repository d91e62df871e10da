"""Reading YAML files that may be composed of others."""

from pathlib import Path
from typing import Any

import yaml

from worldmodel.types import InputError


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads a YAML mapping, following ``!include`` relative to the file.

    Raises:
        InputError: missing, not YAML, or not a mapping.
    """

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!include", lambda loader, node: read_yaml(path.parent / str(loader.construct_scalar(node))))  # pyright: ignore
    try:
        values = yaml.load(path.read_text(), Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error.__class__.__name__}), wanted a YAML file") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: found {type(values).__name__}, wanted a mapping of keys to values")
    return values


def set_value(values: dict[str, Any], keys: list[str], value: Any, where: str) -> None:
    """Sets a nested value; parents that are not there yet are made, typos are caught when decoding."""
    for key in keys[:-1]:
        if values.get(key) is None:
            values[key] = {}
        values = values[key]
        if not isinstance(values, dict):
            raise InputError(f"{where}: {key} is a single value, wanted a group of keys")
    values[keys[-1]] = value
