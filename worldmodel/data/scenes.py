"""Which stretches of a folder's clips are episodes: scenes between cuts, no longer than memory can hold.

What was found is kept in the user's cache (``$XDG_CACHE_HOME/worldmodel/cuts``, default ``~/.cache``), never in the
folder itself; a clip is looked through again when its size or time changes.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from worldmodel.data.clip import Clip
from worldmodel.data.cuts import find_cuts
from worldmodel.output import make_folder, write_json
from worldmodel.types import InputError

VERSION = 1  # of the way cuts are found
PART_BYTES = 2**31  # of an episode's pictures; longer scenes are cut into equal parts, so that memory can hold one


@dataclass(frozen=True)
class Scene:
    """Ticks ``start`` to ``stop`` of a file (None: its end); ``number`` counts those of a file that has several."""

    file: Path
    start: int = 0
    stop: int | None = None
    number: int | None = None


def find_scenes(place: Path, clips: Sequence[Path]) -> list[Scene]:
    """Returns the scenes of all clips, in order; looks only through clips that were not seen before.

    A clip that cannot be decoded is one scene, so that whoever reads it is told.

    Args:
        place: the folder they lie in, for which the result is kept.
        clips: the files.
    """
    path = cuts_path(place)
    known = _read(path)
    stamps = {clip: [clip.stat().st_size, clip.stat().st_mtime_ns] for clip in clips}
    new = [clip for clip in clips if known.get(str(clip.absolute()), {}).get("stamp") != stamps[clip]]
    if new:
        console = Console(stderr=True)
        hidden = not console.is_terminal
        threads = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
        found = threads.map(find_edges, new)
        try:
            for clip in track(new, "looking for cuts", console=console, disable=hidden):
                known[str(clip.absolute())] = {"stamp": stamps[clip], "edges": next(found)}
        finally:
            threads.shutdown(cancel_futures=True)
            with suppress(InputError):  # a cache that cannot be written only costs time
                make_folder(path.parent)
                write_json(path, known)
    return [scene for clip in clips for scene in _scenes(clip, known[str(clip.absolute())]["edges"])]


def cuts_path(place: Path) -> Path:
    """Where the cuts of a folder's clips are kept."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = hashlib.sha256(str(place.absolute()).encode()).hexdigest()[:16]
    return base / "worldmodel/cuts" / f"v{VERSION}-{name}.json"


def _read(path: Path) -> dict[str, Any]:
    """What was kept; nothing where it is absent or damaged."""
    try:
        kept = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def find_edges(file: Path) -> list[int]:
    """Returns the first tick of every scene of a clip and the number of ticks; nothing if it cannot be decoded."""
    clip = Clip(file)
    try:
        _, cuts = find_cuts(clip.thumbnails())
        # A scene too brief for the clip's rate is shown by no tick.
        edges = sorted({0, *clip.tick_of(cuts), len(clip)})
        longest = max(1, PART_BYTES // clip.read(0, 1).nbytes)
    except InputError:
        return []
    parts = (np.linspace(start, stop, -(-(stop - start) // longest) + 1)[:-1] for start, stop in pairwise(edges))
    return [*(int(tick) for part in parts for tick in part), edges[-1]]


def _scenes(clip: Path, edges: Sequence[int]) -> list[Scene]:
    if len(edges) <= 2:
        return [Scene(clip)]
    return [Scene(clip, start, stop, number) for number, (start, stop) in enumerate(pairwise(edges))]
