import json
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.data.making import SHARED, make_episode
from worldmodel.data.rlds import RldsSource, detect
from worldmodel.data.tfrecord import example_class, find_records, masked_crc
from worldmodel.types import InputError

EXAMPLE = example_class()


def png(picture: np.ndarray) -> bytes:
    return cv2.imencode(".png", picture[..., ::-1] if picture.ndim == 3 else picture)[1].tobytes()


def make_features(index: int, steps: int = 4, **changes: Any) -> dict[str, Any]:
    """The features of an episode; ``changes`` replaces them by name (double underscores are slashes)."""
    rng = np.random.default_rng(index)
    made = make_episode(index, length=steps)
    features = {
        "steps/is_first": [1] + [0] * (steps - 1),
        "steps/is_last": [0] * (steps - 1) + [1],
        "steps/is_terminal": [0] * (steps - 1) + [index % 2],
        "steps/reward": [0.0] * (steps - 1) + [1.0],
        "steps/action": rng.normal(size=3 * steps).tolist(),
        "steps/language_instruction": [f"task {index}".encode()] * steps,
        "steps/language_embedding": rng.normal(size=70 * steps).tolist(),
        "steps/observation/state": rng.normal(size=2 * steps).tolist(),
        "steps/observation/image_0": [png(frame) for frame in made.frames["pixels"]],
        "steps/observation/image_1": [png(255 - frame) for frame in made.frames["pixels"]],
        "episode_metadata/file_path": [b"made up"],
    }
    features.update({name.replace("__", "/"): value for name, value in changes.items()})
    return {name: value for name, value in features.items() if value is not None}


def encode(features: dict[str, Any]) -> bytes:
    kinds = {bytes: "bytes_list", float: "float_list", int: "int64_list"}
    example = EXAMPLE()
    for name, values in features.items():
        getattr(example.features.feature[name], kinds[type(values[0])]).value.extend(values)
    return example.SerializeToString()


def write_shard(path: Path, records: list[bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for data in records:
            length = struct.pack("<Q", len(data))
            file.write(length + struct.pack("<I", masked_crc(length)) + data + struct.pack("<I", masked_crc(data)))
    return path


def write_set(root: Path, **changes: Any) -> Path:
    """Three episodes in two shards; ``changes`` are made to the second one."""
    shards = [[make_features(0), make_features(1, steps=5, **changes)], [make_features(2, steps=3)]]
    for number, shard in enumerate(shards):
        write_shard(root / f"1.0.0/arm-train.tfrecord-{number:05d}-of-00002", [encode(features) for features in shard])
    (root / "1.0.0/dataset_info.json").write_text(json.dumps({"name": "bridge_dataset"}))
    (root / "1.0.0/arm-train.tfrecord.index").write_text("no shard")
    return root


def assert_others_are_whole(source: RldsSource) -> None:
    assert len(source) == 3
    assert [len(source[index]) for index in (0, 2)] == [4, 3]


def test_every_record_is_an_episode(tmp_path: Path):
    source = RldsSource(write_set(tmp_path / "arm"))
    (spec,) = source.embodiments
    assert (len(source), source.format, spec.name, spec.fps) == (3, "rlds", "bridge_dataset", 5.0)
    assert spec.action.names == ("a0", "a1", "a2")
    for index, steps in enumerate((4, 5, 3)):
        episode, features = source[index], make_features(index, steps)
        pixels = make_episode(index, length=steps).frames["pixels"]
        np.testing.assert_array_equal(episode.frames["image_0"], pixels)
        np.testing.assert_array_equal(episode.frames["image_1"], 255 - pixels)
        np.testing.assert_array_equal(episode.actions.ravel(), np.float32(features["steps/action"]))
        np.testing.assert_array_equal(episode.state.ravel(), np.float32(features["steps/observation/state"]))
        np.testing.assert_array_equal(episode.action_mask, np.arange(steps) < steps - 1)
        assert (episode.text, episode.terminated, episode.reward[-1]) == (f"task {index}", bool(index % 2), 1.0)
        assert (episode.actions >= spec.action.low).all()
        assert (episode.actions <= spec.action.high).all()
    assert source[1].episode_id == "arm-train.tfrecord-00000-of-00002/000001"
    with pytest.raises(IndexError):
        source[3]


def test_actions_in_groups_one_camera_and_depth(tmp_path: Path):
    features = make_features(
        0,
        steps=2,
        steps__action=None,
        steps__action__grip=[0.5, 0.25],
        steps__action__move=[1.0, 2.0, 3.0, 4.0],
        steps__action__terminate=[0, 1],
        steps__observation__image_1=None,
        steps__observation__depth=[png(np.full((32, 32), 700, np.uint16))] * 2,
        steps__observation__state=None,
        steps__observation__joints=[7.0, 8.0],
        steps__reward=None,
        steps__language_instruction=[b"", b""],
    )
    (tmp_path / "LICENSE").write_text("MIT License\n\nCopyright")
    source = RldsSource(write_shard(tmp_path / "x.tfrecord", [encode(features)]), fps=3.0)
    episode = source[0]
    assert list(episode.frames) == ["pixels"]
    np.testing.assert_array_equal(episode.actions, [[0.5, 1, 2], [0.25, 3, 4]])
    np.testing.assert_array_equal(episode.state, [[7], [8]])
    assert (episode.reward, episode.text, episode.fps, episode.licence) == (None, None, 3.0, "MIT")


def test_a_damaged_record_spoils_no_other(tmp_path: Path):
    shard = sorted(write_set(tmp_path).rglob("*.tfrecord-*"))[0]
    content, record = bytearray(shard.read_bytes()), find_records(shard)[1]
    content[record.start + record.length // 2] ^= 1
    shard.write_bytes(content)
    source = RldsSource(tmp_path)
    assert_others_are_whole(source)
    with pytest.raises(InputError, match=r"-00000-of-00002: record 1: \d+ bytes fail their CRC32C"):
        source[1]


@pytest.mark.parametrize("damage", ["length", "end"])
def test_damaged_framing_costs_the_rest_of_the_shard(tmp_path: Path, damage: str):
    shard = sorted(write_set(tmp_path).rglob("*.tfrecord-*"))[0]
    content, record = bytearray(shard.read_bytes()), find_records(shard)[1]
    content[record.start - 12] ^= 1
    shard.write_bytes(content if damage == "length" else shard.read_bytes()[:-9])
    source = RldsSource(tmp_path)
    assert_others_are_whole(source)
    with pytest.raises(InputError, match=r"record 1: (no record header at byte|file ends at byte)"):
        source[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps__action": [0.0] * 14}, "steps/action holds 14 values, wanted 5 x 3"),
        ({"steps__action": [0.0] * 14 + [float("nan")], "steps__is_last": [0] * 5}, "actions hold NaN"),
        ({"steps__action": None}, "steps/action holds 0 values"),
        ({"steps__action": [b"x"] * 15}, "steps/action holds 15 values, wanted 5 x 3 numbers"),
        ({"steps__is_first": None}, "no steps/is_first"),
        ({"steps__is_last": [0] * 4}, "steps/is_last holds 4 values"),
        ({"steps__observation__image_0": [b"\xff\xd8\xffno"] * 5}, "image_0 of step 0 shows nothing"),
        ({"steps__observation__image_1": [b""] * 4}, "image_1 holds 4 pictures, wanted 5"),
        ({"steps__observation__image_1": [1, 2, 3, 4, 5]}, "image_1 of step 0 shows nothing"),
    ],
)
def test_a_bad_episode_is_named(tmp_path: Path, changes: dict[str, Any], message: str):
    source = RldsSource(write_set(tmp_path, **changes))
    assert_others_are_whole(source)
    with pytest.raises(InputError, match=message) as caught:
        source[1]
    assert "\n" not in str(caught.value)


def test_nothing_to_read(tmp_path: Path):
    with pytest.raises(InputError, match="no TFRecord file found"):
        RldsSource(tmp_path / "none")
    shard = write_shard(tmp_path / "x.tfrecord", [b"no example"])
    with pytest.raises(InputError, match=r"none of 1 episodes can be read; the first: .*no tf\.train\.Example"):
        RldsSource(shard)
    write_shard(shard, [encode(make_features(0, steps__action=None))])
    with pytest.raises(InputError, match=r"2 cameras, actions \[\], wanted"):
        RldsSource(shard)
    shard.write_bytes(b"")
    with pytest.raises(InputError, match="no record header at byte 0"):
        RldsSource(shard)


def test_named_embodiment(tmp_path: Path):
    with pytest.raises(InputError, match="3 actions, 2 state numbers, wanted 2 and 2 for pusht"):
        RldsSource(write_set(tmp_path), embodiment="pusht")
    with pytest.raises(InputError, match="'octopus' is unknown"):
        RldsSource(tmp_path, embodiment="octopus")


def test_detection_looks_inside(tmp_path: Path):
    assert detect(write_set(tmp_path / "arm"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other/x.tfrecord").write_text("words, not records")
    assert not detect(tmp_path / "other")
    assert not detect(tmp_path / "none")


def test_a_missing_shard_is_told(tmp_path: Path):
    sorted(write_set(tmp_path).rglob("*.tfrecord-*"))[0].unlink()
    source = RldsSource(tmp_path)
    assert [len(source), len(source[0])] == [2, 3]
    with pytest.raises(InputError, match=r"arm-train\.tfrecord-00000-of-00002: record 0: no such file, wanted all"):
        source[1]


@pytest.mark.skipif(not (SHARED / "bridge_rlds").exists(), reason="shared data are not here")
def test_bridge():
    source = RldsSource(SHARED / "bridge_rlds")
    episode = source[3]
    assert detect(SHARED / "bridge_rlds")
    assert (len(source), episode.text, episode.licence) == (25, "turn lever vertical to front", "MIT")
    assert {name: frames.shape for name, frames in episode.frames.items()} == {
        f"image_{number}": (10, 64, 64, 3) for number in range(4)
    }
    assert (episode.actions.shape, episode.state.shape, episode.action_mask.all()) == ((10, 7), (10, 7), True)
    assert np.abs(episode.actions[:, :6]).max() < 0.3
    assert set(np.unique(episode.actions[:, 6].round(3))) <= {0.0, 1.0}  # the gripper
