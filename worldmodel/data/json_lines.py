"""Files of JSON objects, one a line."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from worldmodel.types import InputError


def line_of(entry: Mapping[str, Any]) -> bytes:
    """Writes an object as a line of JSON."""
    return json.dumps(entry, ensure_ascii=False).encode() + b"\n"


def read_lines(lines: Iterable[bytes], path: Path, key: str, kind: type) -> list[dict[str, Any]]:
    """Reads lines of JSON objects, all of which say something.

    Args:
        lines: one object each.
        path: their file, for messages.
        key: of what they say.
        kind: of its value.

    Raises:
        InputError: a line is something else.
    """
    entries = []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict) or not isinstance(entry.get(key), kind):
            raise InputError(f"{path}: line {number} is damaged, wanted a JSON object with a {key}")
        entries.append(entry)
    return entries
