"""Raw events of mouse and keyboard: one file of JSON lines per episode, beside what LeRobotDataset v3 knows of.

``events/chunk-000/file-000.jsonl`` belongs to the video of that name; what a line says is up to the environment
(`envs.page_events` for pages). Every line has ``tick``, the index of the action that it belongs to.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from worldmodel.data import lerobot_tables as tables
from worldmodel.types import InputError

EVENTS = "events"


def write_events(events: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Writes a file that other processes see whole or not at all."""
    tables.write_text("".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events), path)


def read_events(path: Path) -> list[dict[str, Any]]:
    """Reads the events of an episode, in order.

    Args:
        path: the episode's file, see the top of this file.

    Raises:
        InputError: missing, or a line is no JSON object with a ``tick``.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}), wanted a file of events") from error
    events, lines = [], text.removesuffix("\n").split("\n") if text else []
    for number, line in enumerate(lines, 1):
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict) or not isinstance(event.get("tick"), int):
            raise InputError(f"{path}: line {number} is damaged, wanted a JSON object with a tick")
        events.append(event)
    return events
