"""Writes LeRobotDataset v3 so that a process may die at any moment.

Every episode is recorded by the `lerobot` library as a data set of its own in a hidden folder, then grafted on: its
video and tables are renamed into place (one file per episode, whose indices are shifted), and ``meta/info.json``, whose
``total_episodes`` is what counts, is replaced last. Whatever a killed run leaves beyond that count is overwritten.

``events`` holds the raw events of episodes that have them (`worldmodel.data.raw_events`).
``meta/manifest.jsonl`` tells where each episode came from (`worldmodel.data.manifest`); what was deleted on request
(`worldmodel.data.tombstones`) is not written again.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from worldmodel.data import lerobot_tables as tables
from worldmodel.data.lerobot_layout import OWN_META, read_json
from worldmodel.data.manifest import add_entry, entry_of, read_manifest
from worldmodel.data.raw_events import EVENTS, write_events
from worldmodel.data.tombstones import TOMBSTONES, deleted, read_tombstones
from worldmodel.types import EmbodimentSpec, Episode, InputError

PENDING = ".pending"
FOLDERS = ("data", "videos", "meta", EVENTS, PENDING)
FILES_PER_CHUNK = 1000
STATS, STATS_BEFORE = "meta/stats.json", "meta/.stats_before.json"


def place_of(index: int) -> tuple[dict[str, int], str]:
    """Returns where the files of an episode are: ``chunk_index`` and ``file_index``, and their path without suffix."""
    chunk, number = divmod(index, FILES_PER_CHUNK)
    return {"chunk_index": chunk, "file_index": number}, f"chunk-{chunk:03d}/file-{number:03d}"


class LeRobotWriter:
    """Adds episodes to a LeRobotDataset v3, or goes on with one that an earlier `LeRobotWriter` began.

    Video is H.264 with full colour resolution; ``crf`` 0 is lossless, which for simulated pictures is also smallest
    (about 300 bytes a frame at 64 px).

    Args:
        root: the dataset's folder; made with the first episode.
        fps: pictures per second.
        spec: whose actions these are; all of it is kept in ``meta/worldmodel.json``.
        height: of the pictures, in px.
        width: of the pictures, in px.
        cameras: names of the pictures; a single camera is called ``"pixels"``.
        crf: loss of the video, 0 (none) to about 20 (visible); 12 suits recordings of real cameras.
        recipe: how the episodes are made; a data set is only continued with the recipe it was begun with.

    Raises:
        InputError: the folder holds something else, or was begun otherwise, or cannot be written.
    """

    def __init__(
        self,
        root: str | Path,
        fps: float,
        spec: EmbodimentSpec,
        height: int,
        width: int,
        cameras: Sequence[str] = ("pixels",),
        *,
        crf: int = 0,
        recipe: Mapping[str, Any] | None = None,
    ) -> None:
        self.root = Path(root)
        self.spec, self.height, self.width, self.cameras, self.crf = spec, height, width, tuple(cameras), crf
        # Through JSON, so that it compares equal to what an earlier run noted.
        noted = {"fps": float(fps), "embodiment": spec.to_dict(), "recipe": dict(recipe or {})}
        self._own: dict[str, Any] = json.loads(json.dumps(noted))
        self._info: dict[str, Any] = {}
        self._in_manifest = True
        with tables.disk_errors(self.root):
            self._continue()
        self._deleted = deleted(self.root)

    def __len__(self) -> int:
        """Number of finished episodes."""
        return int(self._info.get("total_episodes", 0))

    @property
    def ever_written(self) -> int:
        """Number of finished episodes and of those that were deleted again."""
        return len(self) + len(read_tombstones(self.root / TOMBSTONES))

    @property
    def pending(self) -> Path:
        """Where episodes are recorded before they belong to the data set; what a killed run left there is gone."""
        return self.root / PENDING

    def add(self, episode: Episode, recorded: Path | None = None) -> None:
        """Writes one episode; when this returns, it is on disk for good.

        Args:
            episode: what is written.
            recorded: the same as a data set of one, in a folder of ``pending``, by another process (`record_alone`).

        Raises:
            InputError: the episode does not fit those before it, was deleted on request, or the disk refuses.
        """
        if (wrong := self.mismatch(episode.validate())) is not None:
            raise InputError(wrong)
        entry = entry_of(episode)
        if (tombstone := self._deleted.get(entry["content_hash"])) is not None:
            when = f"was deleted on {tombstone['date']}"
            raise InputError(f"{self.root}: episode {episode.episode_id} {when}, wanted one that was not")
        self._own = {"source": episode.source, **self._facts(episode), **self._own}
        pending, fresh = recorded or self.pending / "this", not self.root.exists()
        try:
            with tables.disk_errors(self.root):
                if recorded is None:
                    shutil.rmtree(pending, ignore_errors=True)
                    self.pending.mkdir(parents=True, exist_ok=True)
                    record_alone(episode, pending, self._own["fps"], self.spec, self.crf)
                self._graft(pending, episode, entry)
        except BaseException:
            if not len(self):
                self._wipe()
            if fresh:
                shutil.rmtree(self.root, ignore_errors=True)
            raise
        finally:
            shutil.rmtree(pending, ignore_errors=True)

    def close(self) -> None:
        """Removes working files; the data set needs nothing else."""
        shutil.rmtree(self.root / PENDING, ignore_errors=True)

    def _continue(self) -> None:
        """Takes up what is in the folder."""
        parent = next(place for place in (self.root, *self.root.absolute().parents) if place.exists())
        if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
            raise InputError(f"{self.root}: {parent} is not a folder that can be written, wanted one")
        if not self.root.exists() or not any(self.root.iterdir()):
            return
        if not (self.root / "meta/info.json").exists():
            if not (self.root / PENDING).exists():
                raise InputError(f"{self.root}: holds other files, wanted a new folder or a data set to continue")
            self._wipe()  # killed before its first episode was finished
            return
        if not (self.root / OWN_META).exists():
            raise InputError(f"{self.root}: a data set written by another program, wanted one of ours or a new folder")
        own, info = read_json(self.root / OWN_META), read_json(self.root / "meta/info.json")
        for name, value in self._own.items():
            if own.get(name) != value:
                raise InputError(f"{self.root}: was begun with {name} {own.get(name)}, found {value}")
        self._own, self._info = own, info
        # A data set begun before there were manifests goes on without one.
        self._in_manifest = not len(self) or read_manifest(self.root) is not None
        shutil.rmtree(self.root / PENDING, ignore_errors=True)

    def _wipe(self) -> None:
        for name in FOLDERS:
            shutil.rmtree(self.root / name, ignore_errors=True)

    def mismatch(self, episode: Episode) -> str | None:
        """Tells in what an episode differs from those before it, or None if it fits."""
        where = f"{self.root}: episode {episode.episode_id}"
        shapes = {name: frames.shape[1:3] for name, frames in episode.frames.items()}
        if shapes != dict.fromkeys(self.cameras, (self.height, self.width)):
            return f"{where}: cameras {shapes}, wanted {self.cameras} of {self.height}x{self.width}"
        state_dims = 0 if episode.state is None else episode.state.shape[1]
        found, wanted = (episode.actions.shape[1], state_dims), (len(self.spec.action), len(self.spec.state_low))
        if found != wanted:
            return f"{where}: (actions, state numbers) {found}, wanted {wanted}"
        for name, value in self._facts(episode).items():
            if self._own.get(name, value) != value:
                return f"{where}: {name} {value}, wanted {self._own[name]} like the episodes before it"
        return None

    def _facts(self, episode: Episode) -> dict[str, Any]:
        """What all episodes of a data set share."""
        return {
            "licence": episode.licence,
            "reward": episode.reward is not None,
            "success": episode.success is not None,
            **({"events": True} if episode.events is not None else {}),
        }

    def _graft(self, pending: Path, episode: Episode, entry: Mapping[str, str]) -> None:
        """Moves the recorded episode behind those already there; ``info.json`` comes last."""
        from lerobot.datasets.compute_stats import aggregate_stats
        from lerobot.datasets.io_utils import cast_stats_to_numpy, load_stats, write_stats

        info = read_json(pending / "meta/info.json")
        place, file = place_of(len(self))
        known, task_index = self._merge_tasks(episode.text or "")
        shifts = {"episode_index": len(self), "index": int(self._info.get("total_frames", 0)), "task_index": task_index}
        for key in (tables.camera_key(name, self.cameras) for name in self.cameras):
            tables.move(pending / f"videos/{key}/chunk-000/file-000.mp4", self.root / f"videos/{key}/{file}.mp4")
        rows = pq.read_table(pending / "data/chunk-000/file-000.parquet")
        tables.write_parquet(tables.shift_rows(rows, shifts), self.root / f"data/{file}.parquet")
        if episode.events is not None:
            write_events(episode.events, self.root / EVENTS / f"{file}.jsonl")
        record = pq.read_table(pending / "meta/episodes/chunk-000/file-000.parquet")
        tables.write_parquet(tables.shift_episode(record, place, shifts), self.root / f"meta/episodes/{file}.parquet")
        stats = tables.shift_stats(load_stats(pending) or {}, shifts)
        if len(self):
            before = self._finished_stats()
            tables.write_json(before, self.root / STATS_BEFORE)
            stats = aggregate_stats([cast_stats_to_numpy(before), stats])
        write_stats(dict(sorted(stats.items())), pending)  # lerobot aggregates in the order of a set
        tables.move(pending / "meta/stats.json", self.root / STATS)
        known.to_parquet(pending / "meta/tasks.parquet")
        tables.move(pending / "meta/tasks.parquet", self.root / "meta/tasks.parquet")
        tables.write_json(self._own, self.root / OWN_META)
        if self._in_manifest:
            add_entry(self.root, entry, len(self))
        info = {**info, **self._info, "total_tasks": len(known), "total_episodes": len(self) + 1}
        info |= {"total_frames": shifts["index"] + len(episode), "splits": {"train": f"0:{len(self) + 1}"}}
        tables.write_json(info, self.root / "meta/info.json")
        self._info = info

    def _finished_stats(self) -> dict[str, Any]:
        """Reads the statistics of the finished episodes, whether or not a killed run had already replaced them."""
        stats = read_json(self.root / STATS)
        ahead = stats["index"]["count"] != [self._info["total_frames"]]
        return read_json(self.root / STATS_BEFORE) if ahead else stats

    def _merge_tasks(self, text: str) -> tuple[Any, int]:
        """Returns the table of tasks with this one in it, and its index."""
        import pandas

        path = self.root / "meta/tasks.parquet"
        known = pandas.read_parquet(path)["task_index"].to_dict() if len(self) else {}
        # A killed run may have added a task that no finished episode has.
        known = {task: index for task, index in known.items() if index < self._info.get("total_tasks", 0)}
        index = known.setdefault(text, len(known))
        frame = pandas.DataFrame({"task_index": list(known.values())}, index=pandas.Index(list(known), name="task"))
        return frame, index


def record_alone(episode: Episode, folder: Path, fps: float, spec: EmbodimentSpec, crf: int = 0) -> Path:
    """Lets lerobot write an episode as a data set of one, which `LeRobotWriter.add` then takes over.

    Args:
        episode: is written.
        folder: new.
        fps: pictures per second.
        spec: whose actions these are.
        crf: loss of the video, see `LeRobotWriter`.
    """
    # Importing lerobot takes seconds; readers of this package do without it.
    import datasets
    from av import logging as av_logging
    from lerobot.configs.video import RGBEncoderConfig
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    datasets.disable_progress_bars()
    av_logging.set_libav_level(av_logging.ERROR)
    rows = list(tables.frame_rows(episode))
    with tables.quiet("lerobot"):
        dataset = LeRobotDataset.create(
            "local/episode",
            max(round(fps), 1),  # lerobot wants an integer; readers of ours see the true rate
            tables.features_of(rows[0], spec),
            root=folder,
            robot_type=spec.name,
            video_backend="pyav",
            rgb_encoder=RGBEncoderConfig(vcodec="h264", pix_fmt="yuv444p", crf=crf, preset="ultrafast", g=30),
            streaming_encoding=True,
            encoder_queue_maxsize=len(rows) + 1,  # a full queue would drop pictures
            encoder_threads=1,
        )
        for row in rows:
            dataset.add_frame({**row, "task": episode.text or ""})
        dataset.save_episode()
        dataset.finalize()
    return folder
