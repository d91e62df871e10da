"""What was deleted on request and must not come back: a line per episode, in the data set and in the user's registry.

    meta/tombstones.jsonl                         deleted from this data set
    $XDG_DATA_HOME/worldmodel/tombstones.jsonl    deleted by this user anywhere (default: ~/.local/share)

A line is a JSON object with ``episode_id``, ``source``, ``content_hash`` and ``date`` (ISO, UTC).
"""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from worldmodel.data.json_lines import line_of, read_lines
from worldmodel.output import whole_file

TOMBSTONES = "meta/tombstones.jsonl"


def registry() -> Path:
    """Where this user's tombstones are."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(base) / "worldmodel/tombstones.jsonl"


def tombstone_of(entry: dict[str, str]) -> dict[str, str]:
    """Makes the tombstone of a manifest's entry, of today."""
    return {key: entry[key] for key in ("episode_id", "source", "content_hash")} | {
        "date": datetime.now(UTC).date().isoformat()
    }


def read_tombstones(path: Path) -> list[dict[str, str]]:
    """Reads a file of tombstones; none if there is no such file.

    Raises:
        InputError: a line is damaged.
    """
    if not path.is_file():
        return []
    with path.open("rb") as file:
        return read_lines(file, path, "content_hash", str)


def add_tombstones(path: Path, tombstones: Sequence[dict[str, str]]) -> None:
    """Adds lines to a file, which other processes see with all of them or with none.

    Raises:
        InputError: a line that is there is damaged, or the place cannot be written.
    """
    lines = [line_of(tombstone) for tombstone in (*read_tombstones(path), *tombstones)]
    with whole_file(path) as part:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(b"".join(lines))


def deleted(root: Path | None = None) -> dict[str, dict[str, str]]:
    """Returns tombstones by content hash: those of the user, and those of the data set ``root`` if given.

    Raises:
        InputError: a line is damaged.
    """
    found = read_tombstones(registry()) + (read_tombstones(root / TOMBSTONES) if root is not None else [])
    return {tombstone["content_hash"]: tombstone for tombstone in found}
