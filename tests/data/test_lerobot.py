import json
from pathlib import Path

import numpy as np
import pytest
from lerobot.datasets.lerobot_dataset import LeRobotDataset

from tests.data.healthy import write_foreign
from tests.data.making import make_episode, write_hdf5
from worldmodel.data.embodiments import PUSHT
from worldmodel.data.lerobot import LeRobotSource, LeRobotWriter
from worldmodel.data.open import open_dataset
from worldmodel.types import ActionSpec, EmbodimentSpec, Episode, InputError


def write(root: Path, episodes: list[Episode], spec: EmbodimentSpec = PUSHT, **options) -> LeRobotWriter:
    first = episodes[0]
    height, width = next(iter(first.frames.values())).shape[1:3]
    writer = LeRobotWriter(root, first.fps, spec, height, width, tuple(first.frames), **options)
    for episode in episodes:
        writer.add(episode)
    writer.close()
    return writer


def assert_same(found: Episode, wanted: Episode) -> None:
    for name in ("actions", "action_mask", "state", "reward", "success"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), err_msg=name)
    for name in ("terminated", "text", "fps", "embodiment", "licence"):
        assert getattr(found, name) == getattr(wanted, name), name
    assert set(found.frames) == set(wanted.frames)
    for name, frames in wanted.frames.items():
        # A picture passes through YUV, which rounds by one level of grey; 47 dB are left.
        assert np.square(found.frames[name].astype(float) - frames).mean() < 1.3


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("written") / "set"
    write(root, [make_episode(i, length=5 + i, terminated=i == 1) for i in range(3)])
    return root


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lerobot itself writes: both episodes in the same files, lossy AV1, other names."""
    root = tmp_path_factory.mktemp("foreign") / "arm"
    root.mkdir()
    write_foreign(root)
    return root


def test_round_trip(written: Path):
    source = open_dataset(written)
    assert len(source) == 3
    assert list(source.embodiments) == [PUSHT]
    for index in (2, 0, 1):
        assert_same(source[index], make_episode(index, length=5 + index, terminated=index == 1))


def test_lerobot_reads_what_we_write(written: Path):
    dataset = LeRobotDataset("local/set", root=written, video_backend="pyav", return_uint8=True)
    assert (dataset.num_episodes, len(dataset), dataset.fps) == (3, 5 + 6 + 7, 10)
    ours = LeRobotSource(written)[2]
    for t in range(7):
        row = dataset[5 + 6 + t]
        np.testing.assert_array_equal(row["action"].numpy(), ours.actions[t])
        np.testing.assert_array_equal(row["observation.image"].permute(1, 2, 0).numpy(), ours.frames["pixels"][t])
        assert (row["index"], row["episode_index"], row["frame_index"], row["task"]) == (11 + t, 2, t, "task 0")
    assert dataset.meta.stats is not None
    actions = np.concatenate([LeRobotSource(written)[i].actions for i in range(3)])
    np.testing.assert_allclose(dataset.meta.stats["action"]["mean"], actions.mean(0), rtol=1e-5)
    assert dataset.meta.stats["index"]["max"] == 17


def test_we_read_what_lerobot_writes(foreign: Path):
    source = open_dataset(foreign)
    spec = source.embodiments[0]
    assert (len(source), spec.name, spec.action.names, spec.state_low) == (2, "arm", ("pan", "lift", "grip"), [])
    np.testing.assert_array_equal(spec.action.low, [0, -7, 0])
    np.testing.assert_array_equal(spec.action.high, [7, 0, 1])
    for index in range(2):
        episode = source[index]
        assert (episode.text, episode.licence, episode.state, episode.reward) == (
            ("pick", "place")[index],
            "unknown",
            None,
            None,
        )
        np.testing.assert_array_equal(episode.actions[:, 0], np.arange(8))
        top = episode.frames["top"].mean((1, 2, 3))
        np.testing.assert_allclose(top, 20 * np.arange(8) + 60 * index, atol=3)
        np.testing.assert_array_equal(episode.frames["pixels"][:, 0, 0, 0], 20 * np.arange(8))
        assert episode.action_mask.all()


def test_two_cameras_and_other_shapes(tmp_path: Path):
    frames = {"top": np.zeros((4, 32, 48, 3), np.uint8), "wrist": np.full((4, 32, 48, 3), 200, np.uint8)}
    write(tmp_path / "set", [make_episode(length=4, frames=frames)])
    assert_same(LeRobotSource(tmp_path / "set")[0], make_episode(length=4, frames=frames))


def test_video_without_actions_keeps_that_they_are_unknown(tmp_path: Path):
    spec = EmbodimentSpec("video", ActionSpec(()), fps=29.97)
    changes = {"actions": np.zeros((7, 0), np.float32), "action_mask": np.zeros(7, bool), "embodiment": "video"}
    bare = make_episode(**changes, state=None, reward=None, success=None, text=None, fps=29.97)
    write(tmp_path / "set", [bare], spec)
    assert_same(LeRobotSource(tmp_path / "set")[0], bare)


def test_a_set_is_continued(tmp_path: Path):
    root = tmp_path / "set"
    write(root, [make_episode(0)])
    assert len(write(root, [make_episode(1, text="new")])) == 2
    assert [LeRobotSource(root)[i].text for i in range(2)] == ["task 0", "new"]


def test_converted_hdf5_is_the_same(tmp_path: Path):
    source = open_dataset(write_hdf5(tmp_path / "d.hdf5"))
    write(tmp_path / "set", [source[i] for i in range(2)], source.embodiments[0])
    again = open_dataset(tmp_path / "set")
    np.testing.assert_array_equal(again[1].actions, source[1].actions)
    assert (again[1].reward, again[1].licence) == (None, "MIT")


# What does not fit is refused before anything is written.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"actions": np.full((7, 2), np.nan, np.float32)}, "actions hold NaN"),
        ({"actions": np.zeros((6, 2), np.float32)}, "lengths differ"),
        ({"actions": np.zeros((7, 3), np.float32)}, r"found|\(3, 2\), wanted \(2, 2\)"),
        ({"state": None}, r"\(2, 0\), wanted \(2, 2\)"),
        ({"frames": {"pixels": np.zeros((7, 16, 16, 3), np.uint8)}}, "wanted .* of 32x32"),
        ({"frames": {"pixels": np.zeros((7, 32, 32, 3), np.float32)}}, "wanted uint8"),
        ({"frames": {}}, "no camera"),
    ],
)
def test_bad_episodes(tmp_path: Path, changes: dict, message: str):
    writer = LeRobotWriter(tmp_path / "set", 10.0, PUSHT, 32, 32)
    with pytest.raises(InputError, match=message):
        writer.add(make_episode(**changes))
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(("name", "value"), [("licence", "CC0-1.0"), ("reward", None), ("success", None)])
def test_one_set_is_of_one_kind(tmp_path: Path, name: str, value: object):
    writer = write(tmp_path / "set", [make_episode(0)])
    with pytest.raises(InputError, match=f"{name} .* like the episodes before it"):
        writer.add(make_episode(1, **{name: value}))
    assert len(LeRobotSource(tmp_path / "set")) == 1


def test_a_set_is_only_continued_as_it_was_begun(tmp_path: Path):
    root = tmp_path / "set"
    write(root, [make_episode(0)], recipe={"seed": 1})
    with pytest.raises(InputError, match=r"begun with recipe \{'seed': 1\}, found \{'seed': 2\}"):
        LeRobotWriter(root, 10.0, PUSHT, 32, 32, recipe={"seed": 2})
    with pytest.raises(InputError, match=r"begun with fps 10\.0, found 5\.0"):
        LeRobotWriter(root, 5.0, PUSHT, 32, 32, recipe={"seed": 1})


def test_other_folders_are_left_alone(tmp_path: Path, foreign: Path):
    (tmp_path / "thesis.txt").write_text("dear")
    with pytest.raises(InputError, match="holds other files"):
        LeRobotWriter(tmp_path, 10.0, PUSHT, 32, 32)
    with pytest.raises(InputError, match="written by another program"):
        LeRobotWriter(foreign, 10.0, PUSHT, 32, 32)
    assert (tmp_path / "thesis.txt").read_text() == "dear"


def test_unwritable_output(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="not a folder that can be written"):
        LeRobotWriter(tmp_path / "file" / "set", 10.0, PUSHT, 32, 32)


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = tmp_path / "set"

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("worldmodel.data.lerobot_tables.write_parquet", refuse)
        with pytest.raises(InputError, match="No space left on device"):
            LeRobotWriter(root, 10.0, PUSHT, 32, 32).add(make_episode(0))
        assert not root.exists()
    write(root, [make_episode(0)])
    with monkeypatch.context() as patch:
        patch.setattr("worldmodel.data.lerobot_tables.write_json", refuse)
        with pytest.raises(InputError, match="No space left on device"):
            LeRobotWriter(root, 10.0, PUSHT, 32, 32).add(make_episode(1))
    assert_same(LeRobotSource(root)[0], make_episode(0))
    assert len(write(root, [make_episode(1)])) == 2
    assert_same(LeRobotSource(root)[1], make_episode(1))


# Damaged data sets are refused with the file's name.


def damage(root: Path, pattern: str, share: float) -> Path:
    path = next(iter(sorted(root.glob(pattern))))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    return path


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("videos/*/*/*.mp4", "cannot be decoded"),
        ("data/*/*.parquet", "not a whole parquet file"),
        ("meta/episodes/*/*.parquet", "not a whole parquet file"),
        ("meta/info.json", "wanted a JSON file"),
    ],
)
def test_truncated_files(tmp_path: Path, pattern: str, message: str):
    write(tmp_path / "set", [make_episode(0)])
    path = damage(tmp_path / "set", pattern, 0.5)
    with pytest.raises(InputError, match=message) as caught:
        open_dataset(tmp_path / "set")[0]
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files(tmp_path: Path):
    write(tmp_path / "set", [make_episode(0), make_episode(1)])
    (tmp_path / "set/videos/observation.image/chunk-000/file-001.mp4").unlink()
    source = open_dataset(tmp_path / "set")
    assert len(source[0]) == 7
    with pytest.raises(InputError, match=r"file-001\.mp4: cannot be decoded .*No such file"):
        source[1]
    (tmp_path / "set/meta/episodes/chunk-000/file-001.parquet").unlink()
    with pytest.raises(InputError, match="1 episodes, wanted the 2 of"):
        open_dataset(tmp_path / "set")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"total_episodes": 10**12}, "1 episodes, wanted the 1000000000000 of"),
        ({"total_episodes": None}, "cannot be understood"),
        ({"fps": float("nan")}, "cannot be understood .ValueError frames per second"),
        ({"features": {"action": -1}}, "cannot be understood .TypeError features"),
        ({"features": {"action": {"dtype": "float32", "shape": [3]}}}, r"\(2, 2\) in meta/worldmodel.json, \(3, 0\)"),
    ],
)
def test_descriptions_that_cannot_be(tmp_path: Path, changes: dict, message: str):
    write(tmp_path / "set", [make_episode(0)])
    file = tmp_path / "set/meta/info.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    with pytest.raises(InputError, match=message) as caught:
        open_dataset(tmp_path / "set")
    assert str(tmp_path / "set/meta") in str(caught.value)


def test_other_version(tmp_path: Path):
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta/info.json").write_text(json.dumps({"codebase_version": "v2.0"}))
    with pytest.raises(InputError, match=r"codebase_version v2\.0, wanted v3\.x"):
        open_dataset(tmp_path)


def test_unreachable_hub(monkeypatch: pytest.MonkeyPatch):
    def offline(*_: object, **__: object) -> None:
        raise OSError("no network\nat all")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(
        InputError, match=r"nobody/nothing: cannot be fetched \(no network\), wanted a local path or"
    ) as caught:
        open_dataset("nobody/nothing")
    assert "\n" not in str(caught.value)


def test_hub_id(monkeypatch: pytest.MonkeyPatch, written: Path):
    asked = []
    monkeypatch.setattr(
        "huggingface_hub.snapshot_download", lambda name, **options: asked.append((name, options)) or written
    )
    source = open_dataset("someone/pusht")
    assert len(source) == 3
    assert asked[0][0] == "someone/pusht"


def test_a_set_named_after_a_known_body_is_of_it(tmp_path: Path):
    write(tmp_path / "pusht", [make_episode(0)])
    (tmp_path / "pusht/meta/worldmodel.json").unlink()
    assert list(open_dataset(tmp_path / "pusht").embodiments) == [PUSHT]
    (tmp_path / "pusht").rename(tmp_path / "other")
    spec = open_dataset(tmp_path / "other").embodiments[0]
    assert (spec.name, spec.action.names, spec.action.points) == ("other", ("target_x", "target_y"), ())
    assert list(open_dataset(tmp_path / "other", embodiment="pusht").embodiments) == [PUSHT]
