"""Reads LeRobotDataset v2.1, the version before v3: one parquet file and one video per episode and camera.

    v2.1                                                    v3
    data/chunk-000/episode_000000.parquet                   many episodes in a file
    videos/chunk-000/CAMERA/episode_000000.mp4              many episodes in a file
    meta/episodes.jsonl, meta/tasks.jsonl                   parquet
    meta/episodes_stats.jsonl, per episode                  meta/stats.json, of the whole dataset

Columns mean the same in both, so all but the places of things is shared with the reader of v3.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
from jaxtyping import UInt8

from worldmodel.data.lerobot import LeRobotSource, read_parquet
from worldmodel.data.lerobot_layout import (
    Layout,
    card_licence,
    check_rates,
    checked_features,
    is_camera,
    limits_of,
    read_json,
    understood,
)
from worldmodel.types import ActionSpec, EmbodimentSpec, InputError

VERSION = "v2.1"
COLUMNS = ("action", "observation.state", "next.reward", "next.success", "next.done")
WANTED = ("features", "fps", "data_path", "total_episodes")
MOST_MISSING = 1000  # episodes that info.json may count beyond those of episodes.jsonl; more is a damaged count


def detect(path: Path) -> bool:
    """Tells whether a folder's ``meta/info.json`` says that it is of version 2.1."""
    try:
        return read_json(path / "meta/info.json").get("codebase_version") == VERSION
    except InputError:
        return False


class LeRobotV21Source(LeRobotSource):
    """Episodes of a LeRobotDataset v2.1, the same as those of its conversion to v3.

    Args:
        path: the dataset's folder.
        embodiment: a name of `EMBODIMENTS`; by default the embodiment that the dataset is named after, else one derived
            from the dataset's names and ranges.

    Raises:
        InputError: not such a dataset, another version, damaged metadata, an embodiment that does not fit.
    """

    format = "lerobot_v21"

    def __init__(self, path: str | Path, embodiment: str | None = None) -> None:
        self.path = str(path)
        self._layout = LayoutV21(Path(path), self.path)
        self.embodiments: Sequence[EmbodimentSpec] = [self._layout.embodiment(embodiment)]

    def _rows(self, row: Mapping[str, Any]) -> pa.Table:
        if "length" not in row:
            number, total = row["episode_index"], len(self)
            raise InputError(f"{self.path}/meta/episodes.jsonl: no episode {number}, wanted {total} episodes")
        path = self._layout.data_file(row)
        table = read_parquet(path)
        features = self._layout.features
        wanted = [key for key in COLUMNS if key in features]
        wanted += [key for key in self._layout.cameras if features[key]["dtype"] == "image"]
        if missing := [key for key in ("task_index", *wanted) if key not in table.column_names]:
            raise InputError(f"{path}: columns {', '.join(missing)} are missing, wanted those of meta/info.json")
        if not 0 < len(table) == row["length"]:
            raise InputError(f"{path}: {len(table)} rows, wanted the {row['length']} of meta/episodes.jsonl")
        if (task := table["task_index"][0].as_py()) not in self._layout.tasks:
            raise InputError(f"{path}: task {task} is not in meta/tasks.jsonl, wanted its text there")
        return table

    def _frames(self, key: str, row: Mapping[str, Any], table: pa.Table) -> UInt8[np.ndarray, "t h w 3"]:
        frames = super()._frames(key, row, table)
        if self._layout.features[key]["dtype"] == "video":
            path = self._layout.video_file(key, row)
            with av.open(str(path)) as container:
                count = container.streams.video[0].frames  # 0 where the file does not tell
            if count > len(frames):
                raise InputError(f"{path}: {count} frames, wanted {len(frames)}, one for each row")
        return frames


class LayoutV21(Layout):
    """The metadata of one dataset of version 2.1; an episode that they leave out is told when it is asked for."""

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name, self.own = root, name, {}
        info = read_json(root / "meta/info.json")
        version = info.get("codebase_version", "missing")
        if version != VERSION:
            raise InputError(f"{root}/meta/info.json: codebase_version {version}, wanted {VERSION}")
        if missing := [key for key in WANTED if key not in info]:
            raise InputError(f"{root}/meta/info.json: no {', '.join(missing)}, wanted {', '.join(WANTED)}")
        with understood(f"{root}/meta", f"metadata of {VERSION}"):
            self.features = checked_features(info["features"])
            self.video_fps = self.fps = float(info["fps"])
            check_rates(self.fps)
            self._paths = {"data": str(info["data_path"]), "video": str(info.get("video_path") or "")}
            self._chunk = int(info.get("chunks_size", 1000))
            self.cameras = [key for key, feature in self.features.items() if is_camera(key, feature)]
            self.data_file({"episode_index": 0})
            self.episodes = self._read_episodes(int(info["total_episodes"]))
            self.tasks = self._read_tasks()
        self.licence = card_licence(root)

    def data_file(self, row: Mapping[str, Any]) -> Path:
        return self.root / self._paths["data"].format(**self._place(row))

    def video_file(self, key: str, row: Mapping[str, Any]) -> Path:
        return self.root / self._paths["video"].format(video_key=key, **self._place(row))

    def _place(self, row: Mapping[str, Any]) -> dict[str, int]:
        index = row["episode_index"]
        return {"episode_chunk": index // self._chunk, "episode_index": index}

    def _read_episodes(self, total: int) -> list[dict[str, Any]]:
        start = {f"videos/{key}/from_timestamp": 0.0 for key in self.cameras}
        rows = {row.get("episode_index"): row for row in read_lines(self.root / "meta/episodes.jsonl")}
        if not 0 <= total <= len(rows) + MOST_MISSING:
            raise ValueError(f"{total} episodes in info.json, {len(rows)} in episodes.jsonl")
        return [{**rows.get(index, {}), **start, "episode_index": index} for index in range(total)]

    def _read_tasks(self) -> dict[int, str]:
        rows = read_lines(self.root / "meta/tasks.jsonl")
        return {row["task_index"]: str(row["task"]) for row in rows if "task_index" in row and "task" in row}

    def _derive(self) -> EmbodimentSpec:
        spec = super()._derive()
        low, high = self._range("action", len(spec.action))
        dims = tuple(replace(dim, low=low[i], high=high[i]) for i, dim in enumerate(spec.action.dims))
        state_low, state_high = self._range("observation.state", len(spec.state_low))
        return replace(spec, action=ActionSpec(dims), state_low=state_low, state_high=state_high)

    def _range(self, key: str, dims: int) -> tuple[list[float], list[float]]:
        """Returns low and high over all episodes' statistics, passing over those that tell none."""
        file = self.root / "meta/episodes_stats.jsonl"
        pairs = []
        for row in read_lines(file) if file.exists() else ():
            with suppress(KeyError, TypeError, ValueError):
                values = row["stats"][key]
                pairs.append(np.array([values["min"], values["max"]], float).reshape(2, dims))
        if not pairs:
            return limits_of({}, dims)
        return limits_of({"min": np.min(pairs, axis=0)[0], "max": np.max(pairs, axis=0)[1]}, dims)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Reads a file of JSON objects, one a line; lines that are none are passed over.

    Raises:
        InputError: the file is missing.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                with suppress(ValueError, RecursionError):
                    if isinstance(row := json.loads(line), dict):
                        yield row
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error}), wanted JSON objects, one a line") from error
