"""Writes the MCAP file of an OWAMcap recording, so that a kill at any time leaves what was flushed before."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mcap.writer import Writer

from worldmodel.data.owamcap_events import PROFILE

SCHEMAS = {
    "screen": "desktop/ScreenCaptured",
    "mouse": "desktop/MouseEvent",
    "mouse/state": "desktop/MouseState",
    "keyboard": "desktop/KeyboardEvent",
    "keyboard/state": "desktop/KeyboardState",
    "window": "desktop/WindowInfo",
    "recording": "worldmodel/Recording",
    "redacted": "worldmodel/Redacted",
}
CHUNK_BYTES = 2**20


def create_private(path: Path) -> None:
    """Makes a new, empty file that only its owner can read.

    Raises:
        FileExistsError: there is something already.
    """
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


class EventFile:
    """An MCAP file to which messages are added, nearly in the order of time (readers sort them).

    Args:
        path: a new file.
    """

    def __init__(self, path: Path) -> None:
        create_private(path)
        self._file = path.open("wb")
        self._writer = Writer(self._file, chunk_size=CHUNK_BYTES)
        self._writer.start(PROFILE, "worldmodel")
        self._channels: dict[str, int] = {}
        for topic, name in SCHEMAS.items():
            schema = self._writer.register_schema(name, "jsonschema", b'{"type": "object"}')
            self._channels[topic] = self._writer.register_channel(topic, "json", schema)

    def add(self, time_ns: int, topic: str, message: Mapping[str, Any]) -> None:
        data = json.dumps(message, separators=(",", ":")).encode()
        self._writer.add_message(self._channels[topic], time_ns, data, time_ns)

    def flush(self) -> None:
        """Puts everything that was added where a kill of this process cannot reach it."""
        self._writer.flush()

    def close(self) -> None:
        self._writer.finish()
        self._file.close()
