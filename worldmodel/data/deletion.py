"""Takes episodes out of a data set that `LeRobotWriter` wrote, on request, so that nothing of them is left in it.

The data set without them is made beside it, by `lerobot`, and the two change places in one step of the file system;
then the old one is removed. A kill leaves a hidden folder ``.NAME.deleting``, which the next call removes: before the
step it is half a copy, after it what was to be deleted. On file systems that cannot exchange folders the step is two
renames; a kill between them leaves no data set in its place until the next call puts the old one back.
"""

import contextlib
import ctypes
import errno
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from worldmodel.data import lerobot_tables as tables
from worldmodel.data.json_lines import line_of
from worldmodel.data.lerobot_layout import OWN_META, Layout, read_json
from worldmodel.data.lerobot_writer import FOLDERS, place_of
from worldmodel.data.manifest import MANIFEST, read_manifest
from worldmodel.data.raw_events import EVENTS
from worldmodel.data.tombstones import TOMBSTONES, add_tombstones, deleted, read_tombstones, registry, tombstone_of
from worldmodel.types import InputError

COUNTED = ("index", "episode_index", "task_index")  # columns that change when episodes before them go
CANNOT_EXCHANGE = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
HERE, EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of renameat2(2)


@dataclass(frozen=True)
class Deletion:
    """What `delete` did.

    Attributes:
        gone: tombstones of the episodes that this call took out; none if an earlier call had done so.
        left: number of episodes in the data set now.
    """

    gone: list[dict[str, str]]
    left: int


def delete(root: str | Path, *, ids: Collection[str] = (), source: str | None = None) -> Deletion:
    """Deletes episodes, and copies of them under other names; tidies up what a killed call left.

    Tombstones are left in the user's registry and in ``meta/tombstones.jsonl``.

    Args:
        root: the data set's folder.
        ids: episodes by the ``episode_id`` of the manifest; empty: all of the source.
        source: only episodes of this source; None: of any, if that is clear.

    Raises:
        InputError: no data set with a manifest, no such episode or source, an id that several sources have, nothing
            would be left, or a place that cannot be written. The data set is as it was then.
    """
    root = Path(root).resolve()
    with tables.disk_errors(root):
        _tidy(root)
        if not root.is_dir():
            raise InputError(f"{root}: no such folder, wanted a data set")
        layout, entries = Layout(root, str(root)), read_manifest(root)
        if entries is None or not (root / OWN_META).is_file():
            raise InputError(f"{root}: no {MANIFEST} that tells of every episode, wanted one as worldmodel writes it")
        chosen = _choose(root, entries, ids, source)
        if not chosen:
            return Deletion([], len(entries))
        if len(chosen) == len(entries):
            raise InputError(f"{root}: all {len(entries)} episodes chosen, wanted one to stay; or remove the folder")
        gone = [tombstone_of(entries[index]) for index in chosen]
        kept = [index for index in range(len(entries)) if index not in set(chosen)]
        try:
            fresh = _copy_without(root, layout, entries, kept, gone)
            known = deleted()
            # Before the step, so that what is gone from the data set cannot come back after a kill.
            add_tombstones(registry(), [stone for stone in gone if stone["content_hash"] not in known])
            _swap(root, fresh)
        finally:
            _tidy(root)
    return Deletion(gone, len(kept))


def _choose(root: Path, entries: Sequence[dict[str, str]], ids: Collection[str], source: str | None) -> list[int]:
    """Returns which episodes go; none if all of those named went before.

    Raises:
        InputError: an id or source that is unknown or not clear.
    """
    before = read_tombstones(root / TOMBSTONES)
    told = [*entries, *before]
    sources = sorted({entry["source"] for entry in told})
    if source is not None and source not in sources:
        raise InputError(f"{root}: no episode of source {source!r}, wanted one of: {_some(sources)}")
    meant = [entry for entry in told if source is None or entry["source"] == source]
    for wanted in ids:
        if not (of := {entry["source"] for entry in meant if entry["episode_id"] == wanted}):
            raise InputError(
                f"{root}: no episode {wanted!r}, wanted some of: {_some([e['episode_id'] for e in meant])}"
            )
        if len(of) > 1:
            raise InputError(f"{root}: episode {wanted!r} is in {_some(sorted(of))}, wanted --source to tell which")
    hashes = {entry["content_hash"] for entry in meant if not ids or entry["episode_id"] in ids}
    return [index for index, entry in enumerate(entries) if entry["content_hash"] in hashes]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def _copy_without(
    root: Path, layout: Layout, entries: Sequence[dict[str, str]], kept: Sequence[int], gone: Sequence[dict[str, str]]
) -> Path:
    """Makes the data set of the kept episodes beside the old one and returns its folder."""
    # Importing lerobot takes seconds.
    from lerobot.datasets.dataset_tools import delete_episodes
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    fresh, out = _beside(root, "deleting"), [index for index in range(len(entries)) if index not in set(kept)]
    with tables.quiet("lerobot"), _library_copies(_beside(root, "copies")):
        dataset = LeRobotDataset("local/set", root=root)
        delete_episodes(dataset, out, output_dir=fresh, repo_id="local/set")
    _renumber(layout, fresh, kept)
    totals = ("total_episodes", "total_frames", "total_tasks", "splits")
    info, found = read_json(root / "meta/info.json"), read_json(fresh / "meta/info.json")
    tables.write_json(info | {name: found[name] for name in totals}, fresh / "meta/info.json")
    tables.write_json(read_json(root / OWN_META) | {"source": entries[kept[0]]["source"]}, fresh / OWN_META)
    (fresh / MANIFEST).write_bytes(b"".join(line_of(entries[index]) for index in kept))
    add_tombstones(fresh / TOMBSTONES, [*read_tombstones(root / TOMBSTONES), *gone])
    for item in root.iterdir():
        if item.name not in FOLDERS:
            (shutil.copytree if item.is_dir() else shutil.copy2)(item, fresh / item.name)
    return fresh


@contextlib.contextmanager
def _library_copies(folder: Path) -> Iterator[None]:
    """Removes the copies that lerobot makes of every table it opens, else in the cache of Hugging Face for good."""
    from datasets import config as library

    usual, library.HF_DATASETS_CACHE = library.HF_DATASETS_CACHE, folder
    try:
        yield
    finally:
        library.HF_DATASETS_CACHE = usual
        shutil.rmtree(folder, ignore_errors=True)


def _renumber(before: Layout, fresh: Path, kept: Sequence[int]) -> None:
    """Does what lerobot leaves undone: one file per episode, numbered like it, and statistics of columns that count."""
    from lerobot.datasets.compute_stats import aggregate_stats
    from lerobot.datasets.io_utils import load_stats, write_stats

    after = Layout(fresh, str(fresh))
    old_tasks, new_tasks = ({text: index for index, text in layout.tasks.items()} for layout in (before, after))
    shutil.rmtree(fresh / "meta/episodes")
    counted = []
    for new, old in enumerate(kept):
        (_, was), (place, file) = place_of(old), place_of(new)
        for folder in (fresh / "data", *(fresh / "videos" / key for key in after.cameras)):
            suffix = ".parquet" if folder.name == "data" else ".mp4"
            tables.move(folder / f"{was}{suffix}", folder / f"{file}{suffix}")
        if (events := before.root / EVENTS / f"{was}.jsonl").exists():
            tables.write_text(events.read_text(), fresh / EVENTS / f"{file}.jsonl")
        row, found = before.episodes[old], after.episodes[new]
        shifts = {"episode_index": new - old, "index": found["dataset_from_index"] - row["dataset_from_index"]}
        shifts["task_index"] = new_tasks[row["tasks"][0]] - old_tasks[row["tasks"][0]]
        record = pq.read_table(before.root / f"meta/episodes/{was}.parquet")
        record = tables.shift_episode(record, place, shifts)
        tables.write_parquet(record, fresh / f"meta/episodes/{file}.parquet")
        counted.append(_counted(record.to_pylist()[0]))
    stats = (load_stats(fresh) or {}) | aggregate_stats(counted)
    write_stats(dict(sorted(stats.items())), fresh)


def _counted(record: dict[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """Statistics of one episode's columns that count."""
    stats: dict[str, dict[str, np.ndarray]] = {name: {} for name in COUNTED}
    for key, value in record.items():
        if key.startswith("stats/") and (name := key.split("/")[1]) in stats:
            stats[name][key.rsplit("/", 1)[1]] = np.asarray(value)
    return stats


def _beside(root: Path, what: str) -> Path:
    return root.with_name(f".{root.name}.{what}")


def _tidy(root: Path) -> None:
    """Removes what an earlier call, killed or finished, left beside the data set."""
    before = _beside(root, "before")
    if before.exists() and not root.exists():
        before.rename(root)
    for left in (before, _beside(root, "deleting"), _beside(root, "copies")):
        if left.exists():
            shutil.rmtree(left)


def _swap(root: Path, fresh: Path) -> None:
    """Puts the new data set in the place of the old one."""
    try:
        exchange(root, fresh)
    except OSError as error:
        if error.errno not in CANNOT_EXCHANGE:
            raise
        root.rename(_beside(root, "before"))
        fresh.rename(root)


def exchange(one: Path, other: Path) -> None:
    """Lets two paths change places at once: no one ever sees one of them missing.

    Raises:
        OSError: the file system cannot.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(HERE, os.fsencode(one), HERE, os.fsencode(other), EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one))
