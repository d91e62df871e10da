"""What the ``meta`` folder of a LeRobotDataset v3 says: files, features, episodes, tasks, and whose actions they are.

`LeRobotWriter` adds ``meta/worldmodel.json``: the `EmbodimentSpec` (units, points, ranges), licence and source, which
the format has no place for.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float32

from worldmodel.data.derived import named_embodiment
from worldmodel.data.embodiments import EMBODIMENTS
from worldmodel.types import ActionDim, ActionSpec, EmbodimentSpec, InputError

MAIN_CAMERA_KEY = "observation.image"
CAMERA_PREFIX = "observation.images."
OWN_META = "meta/worldmodel.json"
# What values of other types and shapes than promised raise, in Python, NumPy, OpenCV or Arrow.
UNEXPECTED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, cv2.error, pa.ArrowException)


@contextmanager
def understood(where: str | Path, wanted: str) -> Iterator[None]:
    """Turns whatever values of other types, names or shapes raise into an `InputError`.

    Args:
        where: file or folder that holds them.
        wanted: what it should have held.
    """
    try:
        yield
    except InputError:
        raise
    except UNEXPECTED as error:
        reason = " ".join(f"{type(error).__name__} {error}".split())[:120]
        raise InputError(f"{where}: cannot be understood ({reason}), wanted {wanted}") from error


class Layout:
    """The metadata of one dataset, without its frames.

    Args:
        root: the dataset's folder.
        name: what messages and the embodiment's default name call it (a path or Hub id).

    Raises:
        InputError: missing or damaged metadata, or another format version.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name = root, name
        info = read_json(root / "meta/info.json")
        version = str(info.get("codebase_version", "missing"))
        if not version.startswith("v3."):
            raise InputError(f"{root}/meta/info.json: codebase_version {version}, wanted v3.x")
        self.own = read_json(root / OWN_META) if (root / OWN_META).exists() else {}
        with understood(f"{root}/meta", "metadata of v3.x"):
            self.features: dict[str, dict[str, Any]] = checked_features(info["features"])
            self.video_fps = float(info["fps"])
            self._paths = {"data": str(info["data_path"]), "video": str(info.get("video_path", ""))}
            self.fps = float(self.own.get("fps", self.video_fps))
            check_rates(self.fps, self.video_fps)
            self.licence = str(self.own.get("licence") or card_licence(root))
            self.cameras = [key for key, feature in self.features.items() if is_camera(key, feature)]
            self.episodes = self._read_episodes(int(info["total_episodes"]))
            self.tasks = self._read_tasks()

    def data_file(self, row: Mapping[str, Any]) -> Path:
        return self.root / self._paths["data"].format(
            chunk_index=row["data/chunk_index"], file_index=row["data/file_index"]
        )

    def video_file(self, key: str, row: Mapping[str, Any]) -> Path:
        return self.root / self._paths["video"].format(
            video_key=key, chunk_index=row[f"videos/{key}/chunk_index"], file_index=row[f"videos/{key}/file_index"]
        )

    def vectors(self, table: pa.Table, key: str, dims: int) -> Float32[np.ndarray, "t n"]:
        """Returns a column of vectors; zeros where the dataset lacks it."""
        if key not in self.features:
            return np.zeros((len(table), dims), np.float32)
        return np.asarray(table[key].to_pylist(), np.float32).reshape(len(table), dims)

    def embodiment(self, name: str | None) -> EmbodimentSpec:
        """Finds out who acts here (see `LeRobotSource`).

        Raises:
            InputError: the named embodiment is unknown or has other dimensions than the dataset.
        """
        with understood(f"{self.root}/meta", "an embodiment and statistics of it"):
            return self._embodiment(name)

    def _embodiment(self, name: str | None) -> EmbodimentSpec:
        dims, state_dims = self._width("action"), self._width("observation.state")
        if name is None and "embodiment" in self.own:
            spec = EmbodimentSpec.from_dict(self.own["embodiment"])
            if (found := (len(spec.action), len(spec.state_low))) != (dims, state_dims):
                raise ValueError(f"(actions, state numbers) {found} in {OWN_META}, {(dims, state_dims)} in info.json")
            return spec
        if name is None:
            known = EMBODIMENTS.get(self.name.rstrip("/").rsplit("/", 1)[-1])
            fits = known is not None and (len(known.action), len(known.state_low)) == (dims, state_dims)
            return known if known is not None and fits else self._derive()
        return named_embodiment(name, self.name, dims, state_dims)

    def _derive(self) -> EmbodimentSpec:
        """Makes a spec from the dataset's own names and the ranges that its statistics give."""
        stats = read_json(self.root / "meta/stats.json") if (self.root / "meta/stats.json").exists() else {}
        low, high = limits_of(stats.get("action", {}), self._width("action"))
        names = _names(self.features.get("action", {}).get("names"), len(low))
        limits = zip(names, low, high, strict=True)
        dims = tuple(ActionDim(name, "continuous", first, last) for name, first, last in limits)
        state_low, state_high = limits_of(stats.get("observation.state", {}), self._width("observation.state"))
        name = self.name.rstrip("/").rsplit("/", 1)[-1]
        return EmbodimentSpec(name, ActionSpec(dims), state_low, state_high, self.fps)

    def _width(self, key: str) -> int:
        if (width := int(np.prod(self.features[key]["shape"])) if key in self.features else 0) < 0:
            raise ValueError(f"shape of {key} is {self.features[key]['shape']}")
        return width

    def _read_episodes(self, total: int) -> list[dict[str, Any]]:
        """Returns one record per episode, in order; rows beyond the total are an interrupted write's."""
        rows: list[dict[str, Any]] = []
        for file in sorted((self.root / "meta/episodes").glob("*/*.parquet")):
            try:
                with pq.ParquetFile(file) as table:
                    names = [name for name in table.schema_arrow.names if not name.startswith("stats/")]
                    rows += table.read(columns=names).to_pylist()
            except (OSError, pa.ArrowException) as error:
                raise InputError(f"{file}: not a whole parquet file, wanted one") from error
        rows = sorted((row for row in rows if row["episode_index"] < total), key=lambda row: row["episode_index"])
        if total < 0 or len(rows) != total or [row["episode_index"] for row in rows] != list(range(total)):
            raise InputError(f"{self.root}/meta/episodes: {len(rows)} episodes, wanted the {total} of info.json")
        return rows

    def _read_tasks(self) -> dict[int, str]:
        file = self.root / "meta/tasks.parquet"
        if not file.exists():
            return {}
        try:
            frame = pq.read_table(file).to_pandas()
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{file}: not a whole parquet file, wanted one") from error
        texts = frame["task"] if "task" in frame.columns else frame.index
        return {int(index): str(text) for index, text in zip(frame["task_index"], texts, strict=True)}


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        InputError: missing, damaged, or something else.
    """
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: cannot be read ({reason}), wanted a JSON file") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: a {type(values).__name__}, wanted a JSON object")
    return values


def checked_features(features: Any) -> dict[str, dict[str, Any]]:
    """Returns what ``info.json`` says of columns and videos, or raises `TypeError` where it is no table of them."""
    if not isinstance(features, dict) or not all(isinstance(feature, dict) for feature in features.values()):
        raise TypeError("features are no objects by name")
    return features


def check_rates(*rates: float) -> None:
    """Raises `ValueError` unless all rates are positive numbers."""
    if not all(0.0 < rate < np.inf for rate in rates):
        raise ValueError(f"frames per second are {rates}")


def is_camera(key: str, feature: Mapping[str, Any]) -> bool:
    """Whether a feature is pictures, and not depth."""
    info = feature.get("info") or {}
    depth = info.get("is_depth_map", False) or info.get("video.is_depth_map", False)
    return feature["dtype"] in ("video", "image") and not depth and key.startswith(MAIN_CAMERA_KEY)


def card_licence(root: Path) -> str:
    """Reads the licence from the dataset card's front matter."""
    card = root / "README.md"
    lines = card.read_text(errors="replace").splitlines()[:40] if card.is_file() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("license:")), "unknown")


def limits_of(stats: Mapping[str, Any], dims: int) -> tuple[list[float], list[float]]:
    """Returns low and high per dimension; a dimension that never moves gets a range of one."""
    low = np.ravel(stats.get("min", [-1.0] * dims)).astype(float)
    high = np.ravel(stats.get("max", [1.0] * dims)).astype(float)
    return low.tolist(), np.where(high > low, high, low + 1.0).tolist()


def _names(names: Any, count: int) -> list[str]:
    """Returns the names of a feature's dimensions; LeRobot keeps a list, a dict of lists, or nothing."""
    if isinstance(names, dict):
        names = [name for group in names.values() for name in (group if isinstance(group, list) else [])]
    return [str(name) for name in names] if names and len(names) == count else [f"action_{i}" for i in range(count)]
