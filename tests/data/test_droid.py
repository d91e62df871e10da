import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.making import SHARED
from tests.data.test_video import write_clip
from worldmodel.data.droid import DroidSource, align_targets, detect
from worldmodel.types import InputError


def make_annotation(split: str, name: str, length: int = 4, rows: int = 11) -> dict[str, Any]:
    """Row n of the robot aims at x = n; roll lies at both ends of [-pi, pi)."""
    pose = [[n, 0.5, 0.5, math.pi - 0.1 if n % 2 else 0.1 - math.pi, 0.0, 0.1] for n in range(rows)]
    return {
        "texts": [f"task {name}"],
        "success": int(name) % 2,
        "videos": [{"video_path": f"videos/{split}/{name}/{camera}.mp4"} for camera in range(3)],
        "states": [[*pose[3 * t], 0.25] for t in range(length)],
        "action.cartesian_position": pose,
        "action.gripper_position": [0.5] * rows,
    }


def write_set(root: Path, **changes: Any) -> Path:
    """Episodes 1, 2 and 3; ``changes`` are made to 2 (None leaves a key out, dots are double underscores)."""
    for name in "123":
        annotation = make_annotation("val", name)
        if name == "2":
            annotation |= {key.replace("__", "."): value for key, value in changes.items()}
        annotation = {key: value for key, value in annotation.items() if value is not None}
        file = root / f"annotation/val/{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(annotation))
        for camera in range(3):
            write_clip(root / f"videos/val/{name}/{camera}.mp4", length=4, fps=5)
    return root


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("droid")
    (folder / "LICENSE.txt").write_text("MIT License\n")
    write_set(folder / "lab")
    return folder


def test_three_cameras_and_the_target_in_force_at_the_next_picture(whole: Path):
    source = DroidSource(whole)
    (spec,) = source.embodiments
    assert (len(source), source.format, spec.name, spec.fps, len(spec.state_low)) == (3, "droid", "droid", 5.0, 7)
    assert spec.action.names == ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
    episode = source[0]
    assert {name: frames.shape for name, frames in episode.frames.items()} == {
        f"camera_{number}": (4, 64, 64, 3) for number in range(3)
    }
    np.testing.assert_array_equal(episode.state[:, 0], [0, 3, 6, 9])
    np.testing.assert_array_equal(episode.actions[:3, 0], [2, 5, 8])  # row 11 would be the last one's
    np.testing.assert_array_equal(episode.action_mask, [True, True, True, False])
    assert (episode.text, episode.fps, episode.licence) == ("task 1", 5.0, "MIT")
    assert episode.episode_id == "lab/annotation/val/1"
    assert [source[index].success.tolist() for index in (0, 1)] == [[False] * 3 + [True], [False] * 4]


def test_roll_does_not_jump(whole: Path):
    episode = DroidSource(whole)[0]
    for values in (episode.actions, episode.state):
        assert np.abs(values[:, 3] - math.pi).max() < 0.11


def test_states_only(tmp_path: Path):
    changes = {"action__cartesian_position": None, "action__gripper_position": None, "success": None, "texts": [""]}
    episode = DroidSource(write_set(tmp_path, **changes))[1]
    assert (episode.actions.shape, episode.action_mask.any()) == ((4, 7), False)
    assert (episode.success, episode.text) == (None, None)


def test_one_picture_after_the_last_state_is_dropped(tmp_path: Path):
    annotation = make_annotation("val", "2", length=3, rows=9)
    source = DroidSource(write_set(tmp_path, **{key.replace(".", "__"): value for key, value in annotation.items()}))
    assert len(source[1]) == len(source[1].frames["camera_2"]) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"states": None}, r"states has shape \(0,\), wanted \(rows, 7\)"),
        ({"states": [[0.0] * 7] * 2}, "camera_0: 4 pictures, wanted 2"),
        ({"states": [[0.0] * 7] * 3 + [[0.0] * 6]}, "states is no table of numbers"),
        ({"states": [[float("nan")] * 7] * 4}, "state holds NaN"),
        ({"action__cartesian_position": [[0.0] * 6] * 10}, r"gripper_position has shape \(11,\), wanted \(10, 1\)"),
        ({"action__cartesian_position": [[0.0] * 5 + [float("nan")]] * 11}, "actions hold NaN"),
        ({"action__gripper_position": None}, r"gripper_position has shape \(0,\)"),
        ({"action__cartesian_position": [[0.0] * 6] * 5, "action__gripper_position": [0.0] * 5}, "wanted 2 pictures"),
        ({"videos": None}, "no list of videos"),
        ({"videos": []}, "no video, wanted"),
        ({"videos": [{"video_path": "videos/val/2/9.mp4"}]}, r"9\.mp4: cannot be decoded"),
    ],
)
def test_a_bad_episode_spoils_no_other(tmp_path: Path, changes: dict[str, Any], message: str):
    source = DroidSource(write_set(tmp_path, **changes))
    assert [len(source), len(source[0]), len(source[2])] == [3, 4, 4]
    with pytest.raises(InputError, match=message) as caught:
        source[1]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["annotation/val/2.json", "videos/val/2/1.mp4"])
def test_truncated_file(tmp_path: Path, name: str):
    file = write_set(tmp_path) / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    source = DroidSource(tmp_path)
    assert [len(source), len(source[0]), len(source[2])] == [3, 4, 4]
    with pytest.raises(InputError, match=str(file)):
        source[1]


def test_alignment_at_other_rates():
    targets = np.arange(8, dtype=np.float32)[:, None]
    actions, known = align_targets(targets, 4, 7.5, "x")
    assert (actions[:, 0].tolist(), known.tolist()) == ([1, 3, 5, 7], [True] * 4)
    with pytest.raises(InputError, match="x: 8 actions at 15 Hz, 8 pictures at 30 Hz"):
        align_targets(targets, 8, 30.0, "x")


def test_nothing_there_and_other_bodies(tmp_path: Path, whole: Path):
    with pytest.raises(InputError, match="no annotation/SPLIT"):
        DroidSource(tmp_path)
    with pytest.raises(InputError, match="7 actions, 7 state numbers, wanted 2 and 2 for pusht"):
        DroidSource(whole, embodiment="pusht")


def test_detection_looks_inside(tmp_path: Path, whole: Path):
    assert detect(whole)
    assert detect(whole / "lab")
    assert not detect(tmp_path / "none")
    (tmp_path / "annotation").mkdir()
    (tmp_path / "annotation/1.json").write_text('{"boxes": []}')
    assert not detect(tmp_path)


@pytest.mark.skipif(not (SHARED / "droid_actions").exists(), reason="shared data are not here")
def test_real_robots():
    source = DroidSource(SHARED / "droid_actions")
    assert detect(SHARED / "droid_actions")
    assert len(source) == 24
    states_only, acted = source[5], source[13]
    assert (states_only.fps, states_only.action_mask.any(), len(states_only)) == (4.0, False, 41)
    assert (acted.fps, acted.action_mask.sum(), len(acted)) == (5.0, 55, 56)
    assert {frames.shape[1:] for frames in acted.frames.values()} == {(192, 320, 3)}
    # A robot that follows its targets is nearer to them at the next picture than at this one's.
    near, far = (
        np.linalg.norm(acted.actions[:-1, :3] - state[:, :3], axis=1).mean() for state in _shifted(acted.state)
    )
    assert near < far < 0.1
    assert np.abs(np.diff(acted.actions[:-1, :6], axis=0)).max() < 0.5


def _shifted(state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return state[1:], state[:-1]
