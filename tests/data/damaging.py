"""Damages a data set as disks, downloads and people do; which damage a seed stands for never changes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from mcap.reader import make_reader
from mcap.writer import Writer

from tests.data.test_rlds import EXAMPLE, write_shard
from worldmodel.data.tfrecord import find_records, read_record

ABSURD = (-1, 0, 10**12, -(10**12), 2**63, 1e308, float("nan"), float("inf"), None, "", "text", [], {}, [None], True)


def damage(root: Path, seed: int) -> str:
    """Damages one thing in a folder; returns what was done, in words."""
    rng = np.random.default_rng([seed, *root.name.encode()])
    files = sorted(file for file in root.rglob("*") if file.is_file())
    kinds: list[Callable[[Path, np.random.Generator], str]] = [*BYTES]
    file = files[rng.integers(len(files))]
    inside = next((change for suffix, change in INSIDE.items() if suffix in file.name), None)
    if inside is not None:
        kinds += [inside] * len(BYTES)
    words = kinds[rng.integers(len(kinds))](file, rng)
    return f"{file.relative_to(root)}: {words}"


# The bytes of a file, whatever is in it.


def truncate(file: Path, rng: np.random.Generator) -> str:
    content = file.read_bytes()
    end = int(rng.integers(len(content))) if rng.random() < 0.8 else 0
    file.write_bytes(content[:end])
    return f"cut at byte {end} of {len(content)}"


def flip(file: Path, rng: np.random.Generator) -> str:
    content = bytearray(file.read_bytes())
    places = rng.integers(len(content), size=int(rng.integers(1, 20)))
    for place in places:
        content[place] ^= int(rng.integers(1, 256))
    file.write_bytes(content)
    return f"bytes {places.tolist()} changed"


def overwrite(file: Path, rng: np.random.Generator) -> str:
    content = bytearray(file.read_bytes())
    start, length = int(rng.integers(len(content))), int(rng.integers(1, 600))
    run = bytes(length) if rng.random() < 0.5 else rng.bytes(length)
    content[start : start + length] = run
    file.write_bytes(content)
    return f"{length} bytes from {start} on overwritten with {'noise' if any(run) else 'zeros'}"


def cut_out(file: Path, rng: np.random.Generator) -> str:
    content = file.read_bytes()
    start, length = int(rng.integers(len(content))), int(rng.integers(1, 600))
    file.write_bytes(content[:start] + content[start + length :])
    return f"{length} bytes from {start} on left out"


def drop(file: Path, rng: np.random.Generator) -> str:
    file.unlink()
    return "deleted"


def empty_folder(file: Path, rng: np.random.Generator) -> str:
    shutil.rmtree(file.parent)
    file.parent.mkdir()
    return "folder emptied"


def folder_instead(file: Path, rng: np.random.Generator) -> str:
    file.unlink()
    file.mkdir()
    return "a folder in its place"


def text_instead(file: Path, rng: np.random.Generator) -> str:
    file.write_text("not what you think\n" * int(rng.integers(1, 200)))
    return "text in its place"


def swap(file: Path, rng: np.random.Generator) -> str:
    others = sorted(other for other in file.parent.parent.rglob(f"*{file.suffix}") if other.is_file() and other != file)
    if not others:
        return drop(file, rng)
    other = others[rng.integers(len(others))]
    content = file.read_bytes()
    file.write_bytes(other.read_bytes())
    other.write_bytes(content)
    return f"swapped with {other.name}"


BYTES = (
    truncate,
    truncate,
    flip,
    flip,
    overwrite,
    cut_out,
    drop,
    empty_folder,
    folder_instead,
    text_instead,
    swap,
    swap,
)


# What is in a file: names and values that still parse.


def alter(values: Any, rng: np.random.Generator) -> tuple[Any, str]:
    """Changes one of nested JSON values: gives it another name, another value, or leaves it out."""
    places = list(_places(values))
    if not places:
        return {"other": 1}, "replaced"
    parent, key = places[rng.integers(len(places))]
    kind = rng.integers(4)
    if kind == 0:
        value = parent.pop(key)
        if isinstance(parent, dict):
            parent[f"{key}_2"] = value
        return values, f"{key!r} renamed"
    if kind == 1:
        del parent[key]
        return values, f"{key!r} left out"
    value = ABSURD[rng.integers(len(ABSURD))]
    parent[key] = value
    return values, f"{key!r} is now {value!r}"


def _places(values: Any) -> list[tuple[Any, Any]]:
    if isinstance(values, dict):
        items = list(values.items())
    elif isinstance(values, list):
        items = list(enumerate(values[:3]))
    else:
        return []
    return [place for key, value in items for place in [(values, key), *_places(value)]]


def alter_json(file: Path, rng: np.random.Generator) -> str:
    values, words = alter(json.loads(file.read_text()), rng)
    file.write_text(json.dumps(values))
    return words


def alter_lines(file: Path, rng: np.random.Generator) -> str:
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    number = int(rng.integers(len(lines)))
    if rng.random() < 0.2:
        del lines[number]
        words = "left out"
    else:
        lines[number], words = alter(lines[number], rng)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return f"line {number}: {words}"


def alter_array(values: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """Changes length, shape, type or values of an array."""
    kind = rng.integers(8)
    if kind == 0 and values.ndim:
        return values[: int(rng.integers(len(values)))] if len(values) else values, "cut shorter"
    if kind == 1 and values.ndim:
        return np.concatenate([values, values[:1]]), "one row longer"
    if kind == 2:
        return values[..., None], "one axis more"
    if kind == 3 and values.ndim > 1:
        return values.reshape(-1), "flat"
    if kind == 4:
        return np.full(values.shape, b"text"), "text"
    if kind == 5 and values.ndim > 1:
        return values[..., :-1], "last axis shorter"
    if values.dtype.kind == "f" and values.size:
        values = values.copy()
        value = (np.nan, np.inf, -np.inf, 1e30)[rng.integers(4)]
        values.flat[int(rng.integers(values.size))] = value
        return values, f"one value is {value}"
    if values.dtype.kind in "iu" and values.size and kind == 6:
        values = values.copy().astype(np.int64)
        value = (-1, 10**12, 2**62, -(2**62))[rng.integers(4)]
        values.flat[int(rng.integers(values.size))] = value
        return values, f"one value is {value}"
    return values.astype(np.float64) if values.dtype.kind in "fiub" else values, "of type float64"


def alter_hdf5(file: Path, rng: np.random.Generator) -> str:
    found: list[str] = []
    with h5py.File(file, "a") as content:
        content.visit(lambda name: found.append(name))  # None: goes on
        name = found[rng.integers(len(found))]
        kind = rng.integers(8)
        if kind == 0:
            content.move(name, f"{name}_2")
            return f"{name} renamed"
        if kind == 1:
            del content[name]
            return f"{name} left out"
        if kind == 2:
            other = found[rng.integers(len(found))]
            if other not in name and name not in other:
                content.move(name, "aside")
                content.move(other, name)
                content.move("aside", other)
                return f"{name} and {other} swapped"
        if kind == 3:
            holders: list[Any] = [content, content.get("data", content)]
            for holder in holders:
                for key in holder.attrs:
                    holder.attrs[key] = (b"\xff{", "[1]", -1.0, np.nan)[rng.integers(4)]
            return "attributes replaced"
        if kind == 4:
            del content[name]
            rows = int(rng.choice([10**6, 10**9, 10**12]))
            content.create_dataset(name, (rows, 16, 16, 3), np.uint8, chunks=(1, 16, 16, 3))
            return f"{name} has {rows} unwritten rows"
        data = content[name]
        if not isinstance(data, h5py.Dataset):
            del content[name]
            content[name] = np.zeros(3)
            return f"{name} is an array"
        values, words = alter_array(np.asarray(data[()]), rng)
        del content[name]
        content[name] = values
        return f"{name} is {words}"


def alter_parquet(file: Path, rng: np.random.Generator) -> str:
    table = pq.read_table(file)
    number = int(rng.integers(table.num_columns))
    name = table.column_names[number]
    kind = rng.integers(7)
    column = table[name]
    if kind == 0:
        table, words = table.rename_columns([f"{n}_2" if n == name else n for n in table.column_names]), "renamed"
    elif kind == 1:
        table, words = table.drop_columns([name]), "left out"
    elif kind == 2:
        table, words = table.slice(0, int(rng.integers(len(table)))), "cut short with all others"
    elif kind == 3:
        table, words = table.set_column(number, name, pa.nulls(len(table), column.type)), "null"
    elif kind == 4:
        table, words = table.set_column(number, name, pa.array(["text"] * len(table))), "text"
    else:
        values = column.to_pylist()
        row = int(rng.integers(len(values)))
        value = ABSURD[rng.integers(len(ABSURD))]
        if isinstance(values[row], list) and values[row] and rng.random() < 0.7:
            values[row] = [*values[row][:-1], value] if rng.random() < 0.7 else values[row][:-1]
        else:
            values[row] = value
        try:
            table, words = table.set_column(number, name, pa.array(values, column.type)), f"{value!r} in row {row}"
        except (pa.ArrowException, OverflowError, TypeError, ValueError):
            table, words = table.set_column(number, name, pa.array([str(v) for v in values])), "written as text"
    pq.write_table(table, file)
    return f"column {name} {words}"


def alter_tfrecord(file: Path, rng: np.random.Generator) -> str:
    """Changes a feature of a record; its checksums are right afterwards."""
    records = [read_record(record) for record in find_records(file)]
    number = int(rng.integers(len(records)))
    if rng.random() < 0.1:
        records[number] = rng.bytes(50)
        write_shard(file, records)
        return f"record {number} is noise"
    example = EXAMPLE.FromString(records[number])
    features = example.features.feature
    name = sorted(features)[rng.integers(len(features))]
    kind = rng.integers(6)
    if kind in (0, 1):
        if kind == 0:
            features[f"{name}_2"].CopyFrom(features[name])
        del features[name]
        words = "renamed" if kind == 0 else "left out"
    else:
        values = getattr(features[name], str(features[name].WhichOneof("kind"))).value
        row = int(rng.integers(len(values)))
        if kind == 2:
            del values[row:]
            words = "cut shorter"
        elif kind == 3:
            features[name].bytes_list.value.extend([b"text"] * 3)
            words = "text"
        elif kind == 4:
            features[name].float_list.value.extend([0.5] * 3)
            words = "three numbers"
        elif isinstance(values[row], bytes):
            content = bytearray(values[row])
            for _ in range(3):
                content[rng.integers(len(content))] ^= int(rng.integers(1, 256))
            values[row] = bytes(content)
            words = f"bytes of value {row} changed"
        else:
            values[row] = (float("nan"), 1e38)[rng.integers(2)] if isinstance(values[row], float) else 2**62
            words = f"value {row} is {values[row]}"
    records[number] = example.SerializeToString()
    write_shard(file, records)
    return f"record {number}: {name} {words}"


def alter_mcap(file: Path, rng: np.random.Generator) -> str:
    """Changes a message; all checksums are right afterwards."""
    with file.open("rb") as stream:
        messages = [(c.topic, m.log_time, json.loads(m.data)) for _, c, m in make_reader(stream).iter_messages()]
    number = int(rng.integers(len(messages)))
    topic, time_ns, message = messages[number]
    kind = rng.integers(6)
    if kind == 0:
        topic, words = f"{topic}_2", "topic renamed"
    elif kind == 1:
        time_ns = int(rng.choice([0, 2**40, 2**62]))
        words = f"time is now {time_ns} ns"
    else:
        message, words = alter(message, rng)
    messages[number] = (topic, time_ns, message)
    with file.open("wb") as stream:
        writer = Writer(stream)
        writer.start("owa", "test")
        channels = {name: writer.register_channel(name, "json", 0) for name in sorted({m[0] for m in messages})}
        for name, log_time, values in messages:
            writer.add_message(channels[name], log_time, json.dumps(values).encode(), log_time)
        writer.finish()
    return f"message {number} ({topic}): {words}"


# part of a file's name -> what changes its contents
INSIDE: dict[str, Callable[[Path, np.random.Generator], str]] = {
    ".jsonl": alter_lines,
    ".json": alter_json,
    ".hdf5": alter_hdf5,
    ".parquet": alter_parquet,
    ".tfrecord-": alter_tfrecord,
    ".mcap": alter_mcap,
}
