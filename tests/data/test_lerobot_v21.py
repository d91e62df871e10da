import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data.healthy import CAMERAS, TABLE, VIDEO, write_two_cameras, write_v21
from worldmodel.data.embodiments import PUSHT
from worldmodel.data.lerobot import LeRobotSource
from worldmodel.data.lerobot_v21 import LeRobotV21Source, detect
from worldmodel.types import EpisodeSource, InputError


@pytest.fixture(scope="module")
def v3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("v3") / "arm"
    write_two_cameras(root)
    return root


@pytest.fixture(scope="module")
def whole(v3: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as version 2.1."""
    root = tmp_path_factory.mktemp("v21") / "arm"
    write_v21(root, v3)
    return root


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(whole, tmp_path / "arm"))


def test_the_same_as_version_3(v3: Path, whole: Path):
    old, new = LeRobotV21Source(whole), LeRobotSource(v3)
    assert isinstance(old, EpisodeSource)
    assert (len(old), old.path, list(old.embodiments)) == (3, str(whole), list(new.embodiments))
    for index in (2, 0, 1):
        found, wanted = old[index], new[index]
        assert set(found.frames) == {"top", "wrist"}
        for camera, frames in wanted.frames.items():
            np.testing.assert_array_equal(found.frames[camera], frames)
        for name in ("actions", "action_mask", "state", "reward", "success"):
            np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), err_msg=name)
        for name in ("terminated", "text", "fps", "embodiment", "licence", "episode_id"):
            assert getattr(found, name) == getattr(wanted, name), name
    with pytest.raises(IndexError):
        old[3]


def test_detection_looks_inside(v3: Path, whole: Path, tmp_path: Path):
    assert (detect(whole), detect(v3), detect(tmp_path), detect(tmp_path / "none")) == (True, False, False, False)


def test_known_embodiments(root: Path):
    assert LeRobotV21Source(root, "pusht")[0].embodiment == "pusht"
    with pytest.raises(InputError, match="embodiment 'octopus' is unknown"):
        LeRobotV21Source(root, "octopus")
    assert list(LeRobotV21Source(root.rename(root.parent / "pusht")).embodiments) == [PUSHT]


def test_pictures_in_the_table(root: Path):
    truth = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)
    coded = [{"bytes": cv2.imencode(".png", frame[..., ::-1])[1].tobytes(), "path": None} for frame in truth]
    replace_column(root, CAMERAS[0], pa.array(coded))
    info = json.loads((root / "meta/info.json").read_text())
    info["features"][CAMERAS[0]]["dtype"] = "image"
    (root / "meta/info.json").write_text(json.dumps(info))
    source = LeRobotV21Source(root)
    np.testing.assert_array_equal(source[0].frames["top"], truth)
    with pytest.raises(InputError, match=r"episode_000001\.parquet: columns observation\.images\.top are missing"):
        source[1]
    replace_column(root, CAMERAS[0], pa.array([{"bytes": b"", "path": None}] * 5))
    with pytest.raises(InputError, match=r"episode_000000\.parquet: cannot be understood"):
        source[0]


def replace_column(root: Path, name: str, values: pa.Array | None) -> None:
    """Gives the first episode's table another column, or takes it away."""
    table = pq.read_table(root / TABLE.format(0))
    if name in table.column_names:
        table = table.drop_columns([name])
    pq.write_table(table if values is None else table.append_column(name, values), root / TABLE.format(0))


def cut(path: Path, share: float = 0.5) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def swap(root: Path) -> None:
    shutil.copy(root / VIDEO.format(2), root / VIDEO.format(0))


def keep_rows(root: Path, count: int) -> None:
    pq.write_table(pq.read_table(root / TABLE.format(0)).slice(0, count), root / TABLE.format(0))


def drop_line(root: Path) -> None:
    file = root / "meta/episodes.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text(lines[0][:20] + "\n" + "".join(lines[1:]))


def renumber_task(root: Path) -> None:
    replace_column(root, "task_index", pa.array([7] * 5))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: cut(root / TABLE.format(0)), r"000000\.parquet: not a whole parquet file"),
        (lambda root: (root / TABLE.format(0)).unlink(), r"000000\.parquet: not a whole parquet file"),
        (lambda root: cut(root / VIDEO.format(0)), r"000000\.mp4: cannot be decoded"),
        (lambda root: (root / VIDEO.format(0)).unlink(), r"000000\.mp4: cannot be decoded .*No such file"),
        (swap, r"000000\.mp4: 7 frames, wanted 5, one for each row"),
        (lambda root: shutil.copy(root / VIDEO.format(0), root / VIDEO.format(2)), r"2\.mp4: 5 frames .*, wanted 7"),
        (lambda root: keep_rows(root, 4), r"000000\.parquet: 4 rows, wanted the 5 of meta/episodes\.jsonl"),
        (lambda root: keep_rows(root, 0), "0 rows, wanted the 5"),
        (drop_line, r"meta/episodes\.jsonl: no episode 0, wanted 3 episodes"),
        (renumber_task, r"task 7 is not in meta/tasks\.jsonl"),
        (lambda root: replace_column(root, "action", None), "columns action are missing"),
        (lambda root: replace_column(root, "action", pa.array([[np.nan, 1.0]] * 5)), "NaN or infinity"),
        (lambda root: replace_column(root, "action", pa.array([[1.0]] * 5)), r"cannot be understood"),
        (lambda root: replace_column(root, "action", pa.array(["up"] * 5)), r"cannot be understood"),
        (lambda root: replace_column(root, "observation.state", pa.array([None] * 5)), "NaN|cannot be understood"),
    ],
)
def test_a_damaged_episode_does_not_spoil_the_others(root: Path, damage: Callable[[Path], object], message: str):
    damage(root)
    source = LeRobotV21Source(root)
    assert (len(source), len(source[1])) == (3, 6)
    with pytest.raises(InputError, match=message) as caught:
        [source[i] for i in (0, 2)]
    assert str(root) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codebase_version": "v2.0"}, r"codebase_version v2\.0, wanted v2\.1"),
        ({"features": None}, "cannot be understood"),
        ({"features": {"action": {"dtype": "float32"}}}, "cannot be understood .KeyError 'shape'"),
        ({"fps": 0}, "cannot be understood .ValueError frames per second"),
        ({"data_path": "data/{file_index}.parquet"}, "cannot be understood .KeyError 'file_index'"),
        ({"total_episodes": "many"}, "cannot be understood"),
    ],
)
def test_damaged_description(root: Path, changes: dict, message: str):
    file = root / "meta/info.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    with pytest.raises(InputError, match=message) as caught:
        LeRobotV21Source(root)
    assert f"{root}/meta" in str(caught.value)


def test_missing_description(root: Path):
    (root / "meta/episodes_stats.jsonl").unlink()
    assert LeRobotV21Source(root).embodiments[0].action.low.tolist() == [-1, -1]
    (root / "meta/tasks.jsonl").unlink()
    with pytest.raises(InputError, match=r"tasks\.jsonl: cannot be read"):
        LeRobotV21Source(root)
    cut(root / "meta/info.json")
    with pytest.raises(InputError, match=r"info\.json: cannot be read"):
        LeRobotV21Source(root)
    file = root / "meta/info.json"
    file.write_text('{"codebase_version": "v2.1"}')
    with pytest.raises(InputError, match="no features, fps, data_path, total_episodes, wanted"):
        LeRobotV21Source(root)
