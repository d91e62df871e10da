"""Where every episode of a data set came from: ``meta/manifest.jsonl``, one JSON object a line.

Line i tells of episode i. Lines beyond ``total_episodes`` of ``meta/info.json`` are a killed run's and do not count.

    episode_id, source, licence    as in `Episode`
    content_hash                   of the episode as it was handed to the writer, see `content_hash`
"""

import hashlib
import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from worldmodel.data.json_lines import line_of, read_lines
from worldmodel.data.lerobot_layout import read_json
from worldmodel.types import Episode

MANIFEST = "meta/manifest.jsonl"
HEX_DIGITS = 32


def content_hash(episode: Episode) -> str:
    """Returns the SHA-256 of cameras, frames, actions, their mask and state, as 32 hex digits.

    Names, texts and rewards do not count: the same recording under another name has the same hash. At another picture
    size, or with other actions, it has another one.
    """
    digest = hashlib.sha256()
    parts = {f"camera {name}": episode.frames[name] for name in sorted(episode.frames)}
    parts |= {"actions": episode.actions, "action_mask": episode.action_mask}
    if episode.state is not None:
        parts["state"] = episode.state
    for name, values in parts.items():
        digest.update(json.dumps([name, str(values.dtype), values.shape]).encode())
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()[:HEX_DIGITS]


def entry_of(episode: Episode) -> dict[str, str]:
    """Returns the line of an episode."""
    return {
        "episode_id": episode.episode_id,
        "source": episode.source,
        "licence": episode.licence,
        "content_hash": content_hash(episode),
    }


def add_entry(root: Path, entry: Mapping[str, Any], index: int) -> None:
    """Writes line ``index``; what a killed run left from there on goes."""
    (root / MANIFEST).parent.mkdir(parents=True, exist_ok=True)
    with (root / MANIFEST).open("a+b") as file:
        file.seek(0)
        file.truncate(sum(len(line) for line in islice(file, index)))
        file.write(line_of(entry))


def read_manifest(root: Path) -> list[dict[str, str]] | None:
    """Returns one entry per finished episode, or None where the manifest is missing or does not tell of all of them.

    Raises:
        InputError: a line is damaged, or ``meta/info.json`` is.
    """
    if not (root / MANIFEST).is_file() or not (root / "meta/info.json").is_file():
        return None
    total = int(read_json(root / "meta/info.json").get("total_episodes", 0))
    with (root / MANIFEST).open("rb") as file:
        entries = read_lines(islice(file, total), root / MANIFEST, "content_hash", str)
    return entries if len(entries) == total else None
