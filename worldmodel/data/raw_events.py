"""Raw events of mouse and keyboard: one file of JSON lines per episode, beside what LeRobotDataset v3 knows of.

``events/chunk-000/file-000.jsonl`` belongs to the video of that name; what a line says is up to the environment
(`envs.page_events` for pages). Every line has ``tick``, the index of the action that it belongs to.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from worldmodel.data import lerobot_tables as tables
from worldmodel.data.json_lines import line_of, read_lines
from worldmodel.types import InputError

EVENTS = "events"


def write_events(events: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Writes a file that other processes see whole or not at all."""
    tables.write_text(b"".join(map(line_of, events)).decode(), path)


def read_events(path: Path) -> list[dict[str, Any]]:
    """Reads the events of an episode, in order.

    Args:
        path: the episode's file, see the top of this file.

    Raises:
        InputError: missing, or a line is no JSON object with a ``tick``.
    """
    try:
        with path.open("rb") as file:
            return read_lines(file, path, "tick", int)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error}), wanted a file of events") from error
