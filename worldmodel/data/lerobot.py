"""Reads LeRobotDataset v3, the interchange format: JSON, parquet and mp4 files, from a folder or the Hugging Face Hub.

The files are read directly: importing the `lerobot` library takes seconds, and its ``__getitem__`` decodes frame by
frame, where an episode here is one seek and one pass over its video. `LeRobotWriter` writes through the library.

    column or video                  Episode
    observation.image[s.NAME]        frames["pixels"] or frames[NAME]
    observation.state, action        state, actions
    next.reward, next.success        reward, success
    next.done (last row)             terminated
    info.action_known                action_mask (ours; absent: all known)
    task                             text
    events/...jsonl                  events (ours, beside the format; absent: None)
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import cv2
import huggingface_hub
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import UInt8

from worldmodel.data.lerobot_layout import CAMERA_PREFIX, MAIN_CAMERA_KEY, Layout, understood
from worldmodel.data.lerobot_writer import LeRobotWriter, place_of
from worldmodel.data.raw_events import EVENTS, read_events
from worldmodel.data.streams import video_stream
from worldmodel.types import EmbodimentSpec, Episode, InputError

__all__ = ["LeRobotSource", "LeRobotWriter", "download"]

REVISION = "v3.0"  # datasets on the Hub carry their format version as a tag


def download(repo_id: str) -> Path:
    """Fetches a dataset from the Hub (or finds it in the local cache) and returns its folder.

    Raises:
        InputError: no such dataset, or no network.
    """
    try:
        return Path(huggingface_hub.snapshot_download(repo_id, repo_type="dataset", revision=REVISION))
    except (OSError, ValueError, huggingface_hub.errors.HfHubHTTPError) as error:
        reason = str(error).strip().splitlines()[0]
        wanted = f"a local path or a Hub dataset with tag {REVISION}"
        raise InputError(f"{repo_id}: cannot be fetched ({reason}), wanted {wanted}") from error


class LeRobotSource:
    """Episodes of a LeRobotDataset v3.

    Args:
        path: the dataset's folder, or an id on the Hub such as ``"lerobot/pusht"``.
        embodiment: a name of `EMBODIMENTS`; by default what `LeRobotWriter` noted, else the embodiment that the dataset
            is named after, else one derived from the dataset's names and ranges.

    Raises:
        InputError: not such a dataset, another version, damaged files, an embodiment that does not fit.
    """

    format = "lerobot"

    def __init__(self, path: str | Path, embodiment: str | None = None) -> None:
        self.path = str(path)
        self._layout = Layout(Path(path) if Path(path).exists() else download(str(path)), self.path)
        self.embodiments: Sequence[EmbodimentSpec] = [self._layout.embodiment(embodiment)]
        self._table: tuple[Path, pa.Table] | None = None

    def __len__(self) -> int:
        return len(self._layout.episodes)

    def __getitem__(self, index: int) -> Episode:
        if not 0 <= index < len(self):
            raise IndexError(f"{self.path}: episode {index} of {len(self)}")
        row = self._layout.episodes[index]
        with understood(f"{self.path}/meta", f"a place of the data of episode {index}"):
            file = self._layout.data_file(row)
        with understood(file, "the features that meta/info.json names"):
            return self._read(index, row)

    def _read(self, index: int, row: Mapping[str, Any]) -> Episode:
        layout, spec = self._layout, self.embodiments[0]
        table = self._rows(row)
        length = len(table)
        known = column(table, "info.action_known", bool)
        done = column(table, "next.done", bool)
        return Episode(
            frames={camera_name(key): self._frames(key, row, table) for key in layout.cameras},
            actions=layout.vectors(table, "action", len(spec.action)),
            action_mask=np.full(length, "action" in layout.features) if known is None else known,
            state=layout.vectors(table, "observation.state", len(spec.state_low)) if spec.state_low else None,
            reward=column(table, "next.reward", np.float32),
            success=column(table, "next.success", bool),
            terminated=bool(done is not None and done[-1]),
            text=layout.tasks.get(int(table["task_index"][0].as_py())) or None,
            fps=layout.fps,
            embodiment=spec.name,
            episode_id=f"{index:06d}",
            source=self.path,
            licence=layout.licence,
            confidence=column(table, "info.action_confidence", np.float32),
            events=self._events(index),
        ).validate()

    def _events(self, index: int) -> list[dict[str, Any]] | None:
        path = self._layout.root / EVENTS / f"{place_of(index)[1]}.jsonl"
        return read_events(path) if path.exists() else None

    def _rows(self, row: Mapping[str, Any]) -> pa.Table:
        """Returns the data rows of an episode; the file last read is kept, because neighbours share it."""
        path = self._layout.data_file(row)
        if self._table is None or self._table[0] != path:
            self._table = (path, read_parquet(path))
        rows = self._table[1]
        start = int(row["dataset_from_index"]) - int(rows["index"][0].as_py())
        part = rows.slice(max(start, 0), int(row["length"]))
        if start < 0 or len(part) != row["length"] or part["episode_index"][0].as_py() != row["episode_index"]:
            raise InputError(f"{path}: rows of episode {row['episode_index']} are missing, wanted {row['length']}")
        return part

    def _frames(self, key: str, row: Mapping[str, Any], table: pa.Table) -> UInt8[np.ndarray, "t h w 3"]:
        if self._layout.features[key]["dtype"] == "image":
            coded = [np.frombuffer(picture["bytes"], np.uint8) for picture in table[key].to_pylist()]
            return np.stack([decode_picture(data, self.path) for data in coded])
        start_s = float(row[f"videos/{key}/from_timestamp"])
        return decode_span(self._layout.video_file(key, row), start_s, len(table), self._layout.video_fps)


def camera_name(key: str) -> str:
    """Returns the name that an episode gives a camera of LeRobot's."""
    return "pixels" if key == MAIN_CAMERA_KEY else key.removeprefix(CAMERA_PREFIX)


def column(table: pa.Table, name: str, dtype: type) -> np.ndarray | None:
    """Returns a column of single numbers, or None where the dataset has none of that name."""
    if name not in table.column_names:
        return None
    return np.asarray(table[name].to_pylist(), dtype).reshape(len(table))


def decode_picture(data: UInt8[np.ndarray, "n"], where: str) -> UInt8[np.ndarray, "h w 3"]:
    """Decodes a PNG or JPEG."""
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise InputError(f"{where}: a picture of {len(data)} bytes cannot be decoded, wanted PNG or JPEG")
    return np.asarray(picture, np.uint8)


def read_parquet(path: Path) -> pa.Table:
    """Reads a whole table.

    Raises:
        InputError: the file is missing or damaged.
    """
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not a whole parquet file ({reason[:120]}), wanted one") from error


def decode_span(path: Path, start_s: float, count: int, fps: float) -> UInt8[np.ndarray, "t h w 3"]:
    """Decodes ``count`` successive frames of a video from a time on, with one seek.

    Raises:
        InputError: the file is missing or damaged, or ends too early.
    """
    frames: list[np.ndarray] = []
    try:
        with av.open(str(path)) as container:
            stream = video_stream(container)
            period_s, time_base = 1.0 / fps, float(stream.time_base or 0)
            container.seek(max(int((start_s - period_s / 2) / time_base), 0), stream=stream)
            for frame in container.decode(stream):
                if frame.pts is None or frame.pts * time_base < start_s - period_s / 2:
                    continue
                frames.append(frame.to_ndarray(format="rgb24"))
                if len(frames) == count:
                    break
        if len({frame.shape for frame in frames}) > 1:
            raise ValueError("pictures of several sizes")
    except (OSError, ValueError, IndexError, ArithmeticError, MemoryError, av.FFmpegError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be decoded ({reason}), wanted a whole video file") from error
    if len(frames) != count:
        raise InputError(f"{path}: {len(frames)} frames from {start_s:.2f} s on, wanted {count}")
    return np.stack(frames)
