"""One tiny, whole data set of every format, three episodes each (two where `lerobot` itself wrote them)."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.data import test_aloha, test_droid, test_owamcap, test_rlds, test_robomimic
from tests.data.making import make_episode, write_hdf5
from tests.data.test_video import write_clip
from worldmodel.data.embodiments import PUSHT
from worldmodel.data.lerobot_writer import LeRobotWriter

CAMERAS = ("observation.images.top", "observation.images.wrist")
TABLE = "data/chunk-000/episode_{:06d}.parquet"
VIDEO = "videos/chunk-000/observation.images.top/episode_{:06d}.mp4"


def write_aloha(root: Path) -> None:
    coded = test_aloha.pad(test_aloha.encode(test_aloha.make_values(2)["observations/images/cam_high"]))
    changed: list[dict[str, Any]] = [{}, {}, {"cam_high": coded}]
    for number, changes in enumerate(changed):
        test_aloha.write(root / f"episode_{number}.hdf5", seed=number, **changes)


def write_diffusion_policy(root: Path) -> None:
    path = write_hdf5(root / "recordings.hdf5", ends=(5, 9, 15))
    with h5py.File(path, "a") as file:
        pictures = np.asarray(file["data/img"])
        del file["data/img"]
        file.create_dataset("data/img", data=pictures, chunks=(4, *pictures.shape[1:]), compression="gzip")


def write_lerobot(root: Path) -> None:
    writer = LeRobotWriter(root, 10.0, PUSHT, 32, 32)
    for index in range(3):
        writer.add(make_episode(index, length=5 + index))
    writer.close()


def write_foreign(root: Path) -> None:
    """What lerobot itself writes: both episodes in the same files, lossy AV1, other names, pictures in the table."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    names = ["height", "width", "channels"]
    features = {
        "observation.images.top": {"dtype": "video", "shape": (64, 96, 3), "names": names},
        "observation.image": {"dtype": "image", "shape": (32, 32, 3), "names": names},
        "action": {"dtype": "float32", "shape": (3,), "names": {"motors": ["pan", "lift", "grip"]}},
    }
    root.rmdir()  # lerobot wants to make it itself
    dataset = LeRobotDataset.create("local/arm", 10, features, root=root, video_backend="pyav")
    for index in range(2):
        for t in range(8):
            picture = np.full((64, 96, 3), 20 * t + 60 * index, np.uint8)
            row = {"observation.images.top": picture, "observation.image": np.full((32, 32, 3), 20 * t, np.uint8)}
            action = np.array([t, -t, index], np.float32)
            dataset.add_frame({**row, "action": action, "task": ("pick", "place")[index]})
        dataset.save_episode()
    dataset.finalize()


def write_two_cameras(root: Path) -> None:
    """Version 3, without what only our writer adds."""
    writer = LeRobotWriter(root, 10.0, PUSHT, 32, 32, ("top", "wrist"))
    for index in range(3):
        episode = make_episode(index, length=5 + index, terminated=index == 1)
        pixels = episode.frames["pixels"]
        episode.frames = {"top": pixels, "wrist": np.ascontiguousarray(pixels[:, ::-1])}
        writer.add(episode)
    writer.close()
    (root / "meta/worldmodel.json").unlink()


def write_v21(root: Path, v3: Path) -> None:
    """The same as what `write_two_cameras` left in ``v3``, as version 2.1."""
    (root / "meta").mkdir(parents=True)
    (root / "data/chunk-000").mkdir(parents=True)
    info, tasks = json.loads((v3 / "meta/info.json").read_text()), pq.read_table(v3 / "meta/tasks.parquet").to_pandas()
    info |= {
        "codebase_version": "v2.1",
        "chunks_size": 1000,
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    }
    (root / "meta/info.json").write_text(json.dumps(info))
    texts = [str(text) for text in tasks.sort_values("task_index").index]
    write_lines(root / "meta/tasks.jsonl", [{"task_index": index, "task": text} for index, text in enumerate(texts)])
    rows = pa.concat_tables(pq.read_table(file) for file in sorted((v3 / "data").glob("*/*.parquet")))
    episodes, stats = [], []
    for index in range(3):
        table = rows.filter(pa.array(rows["episode_index"].to_numpy() == index))
        pq.write_table(table, root / TABLE.format(index))
        episodes.append({"episode_index": index, "tasks": [texts[0]], "length": len(table)})
        vectors = {key: np.array(table[key].to_pylist()) for key in ("action", "observation.state")}
        limits = {k: {"min": v.min(0).tolist(), "max": v.max(0).tolist()} for k, v in vectors.items()}
        stats.append({"episode_index": index, "stats": limits})
        for key in CAMERAS:
            target = root / VIDEO.format(index).replace(CAMERAS[0], key)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(v3 / f"videos/{key}/chunk-000/file-{index:03d}.mp4", target)
    write_lines(root / "meta/episodes.jsonl", episodes)
    write_lines(root / "meta/episodes_stats.jsonl", stats)


def write_lines(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _write_v21_alone(root: Path) -> None:
    v3 = root.with_name(f"{root.name}_v3")
    write_two_cameras(v3)
    root.rmdir()
    write_v21(root, v3)
    shutil.rmtree(v3)


def _write_owamcap(root: Path) -> None:
    for name in "abc":
        test_owamcap.write_recording(root / f"{name}.mcap")


def _write_robomimic(root: Path) -> None:
    demos = [test_robomimic.make_demo(seed, length=5 + seed) for seed in range(3)]
    test_robomimic.write(root / "a.hdf5", *demos[:2], env_args=json.dumps({"env_kwargs": {"control_freq": 10}}))
    test_robomimic.write(root / "b.hdf5", demos[2], env_args=json.dumps({"env_kwargs": {"control_freq": 10}}))


def _write_video(root: Path) -> None:
    write_clip(root / "a.mp4", length=6)
    write_clip(root / "b" / "c.mkv", length=5)
    write_clip(root / "d.avi", length=7)


# name -> how to write the set into an empty folder
HEALTHY: dict[str, Callable[[Path], object]] = {
    "aloha": write_aloha,
    "diffusion_policy": write_diffusion_policy,
    "droid": test_droid.write_set,
    "lerobot": write_lerobot,
    "lerobot_foreign": write_foreign,
    "lerobot_v21": _write_v21_alone,
    "owamcap": _write_owamcap,
    "rlds": test_rlds.write_set,
    "robomimic": _write_robomimic,
    "video": _write_video,
}
EPISODES = {name: 2 if name == "lerobot_foreign" else 3 for name in HEALTHY}


def write_healthy(name: str, root: Path) -> Path:
    """Writes a set; returns what a person would open: the folder, or the one file where the format is a file."""
    root.mkdir(parents=True)
    HEALTHY[name](root)
    return root / "recordings.hdf5" if name == "diffusion_policy" else root
