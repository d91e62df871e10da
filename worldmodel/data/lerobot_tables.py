"""The small print of LeRobotDataset v3: features, rows, shifted indices, and files that appear whole or not at all."""

import contextlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from worldmodel.data.lerobot_layout import CAMERA_PREFIX, MAIN_CAMERA_KEY
from worldmodel.types import EmbodimentSpec, Episode, InputError

ABSOLUTE_STATS = ("std", "count")  # statistics that do not move when every value is shifted


def camera_key(name: str, cameras: Sequence[str]) -> str:
    """Returns LeRobot's name of a camera: ``observation.image`` for the only one, else ``observation.images.NAME``."""
    return MAIN_CAMERA_KEY if tuple(cameras) == ("pixels",) else CAMERA_PREFIX + name


def frame_rows(episode: Episode) -> Iterator[dict[str, Any]]:
    """Yields an episode row by row, under LeRobot's names, without its task."""
    last, cameras = len(episode) - 1, tuple(episode.frames)
    for t in range(len(episode)):
        row: dict[str, Any] = {camera_key(name, cameras): frames[t] for name, frames in episode.frames.items()}
        if episode.actions.shape[1]:
            row["action"] = episode.actions[t]
        if episode.state is not None:
            row["observation.state"] = episode.state[t]
        if episode.reward is not None:
            row["next.reward"] = episode.reward[t : t + 1].astype(np.float32)
        if episode.success is not None:
            row["next.success"] = episode.success[t : t + 1]
        row["next.done"] = np.array([episode.terminated and t == last])
        row["info.action_known"] = episode.action_mask[t : t + 1]
        if episode.confidence is not None:
            row["info.action_confidence"] = episode.confidence[t : t + 1]
        yield row


def features_of(row: Mapping[str, np.ndarray], spec: EmbodimentSpec) -> dict[str, dict[str, Any]]:
    """Describes the columns of a row as LeRobot wants it."""
    names: dict[str, list[str]] = {
        "action": list(spec.action.names),
        "observation.state": [f"state_{i}" for i in range(len(spec.state_low))],
    }
    features: dict[str, dict[str, Any]] = {}
    for key, value in row.items():
        if value.ndim == 3:
            features[key] = {"dtype": "video", "shape": value.shape, "names": ["height", "width", "channels"]}
        else:
            features[key] = {"dtype": str(value.dtype), "shape": value.shape, "names": names.get(key)}
    return features


def shift_rows(rows: pa.Table, shifts: Mapping[str, int]) -> pa.Table:
    """Adds an offset to columns of integers."""
    for name, shift in shifts.items():
        rows = replace_column(rows, name, [value + shift for value in rows[name].to_pylist()])
    return rows


def shift_stats(stats: Mapping[str, Mapping[str, np.ndarray]], shifts: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Gives the statistics of columns that `shift_rows` has shifted."""
    shifted = {name: dict(values) for name, values in stats.items()}
    for name, shift in shifts.items():
        shifted[name] = {key: value if key in ABSOLUTE_STATS else value + shift for key, value in stats[name].items()}
    return shifted


def shift_episode(record: pa.Table, place: Mapping[str, int], shifts: Mapping[str, int]) -> pa.Table:
    """Moves the record of a data set's only episode to where it stands among others.

    Args:
        record: the one row of ``meta/episodes``.
        place: ``chunk_index`` and ``file_index`` of all its files.
        shifts: offsets of ``episode_index``, ``index`` and ``task_index``.
    """
    values = record.to_pylist()[0]
    values["episode_index"] += shifts["episode_index"]
    for name in ("dataset_from_index", "dataset_to_index"):
        values[name] += shifts["index"]
    for name in values:
        if (last := name.rsplit("/", 1)[-1]) in place:
            values[name] = place[last]
        elif name.startswith("stats/") and name.split("/")[1] in shifts and last not in ABSOLUTE_STATS:
            values[name] = [value + shifts[name.split("/")[1]] for value in values[name]]
    for name, value in values.items():
        record = replace_column(record, name, [value])
    return record


def replace_column(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    """Returns the table with other values in one column, which keeps its place and type."""
    index = table.schema.get_field_index(name)
    field = table.schema.field(index)
    return table.set_column(index, field, pa.array(values, field.type))


def write_parquet(table: pa.Table, path: Path) -> None:
    """Writes a table that other processes see whole or not at all."""
    with _appearing(path) as unfinished:
        # An episode's record is one row of 130 columns: statistics of each would double its size.
        pq.write_table(table, unfinished, use_dictionary=False, write_statistics=False)


def write_json(values: Mapping[str, Any], path: Path) -> None:
    """Writes a JSON object that other processes see whole or not at all."""
    write_text(json.dumps(values, indent=4, ensure_ascii=False), path)


def write_text(text: str, path: Path) -> None:
    """Writes a text that other processes see whole or not at all."""
    with _appearing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def move(source: Path, target: Path) -> None:
    """Puts a finished file in its place, over an older one if need be."""
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)


@contextlib.contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    unfinished = path.with_name(f".{path.name}.unfinished")
    path.parent.mkdir(parents=True, exist_ok=True)
    yield unfinished
    unfinished.replace(path)


@contextlib.contextmanager
def disk_errors(root: Path) -> Iterator[None]:
    """Turns what a full or read-only disk raises, here or in lerobot's encoder thread, into an `InputError`."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{root}: cannot be written ({reason}), wanted a folder with room") from error


@contextlib.contextmanager
def quiet(name: str) -> Iterator[None]:
    """Lets a library's logger speak of nothing that is not raised, too."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
