import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from worldmodel.data.robomimic import RobomimicSource, detect
from worldmodel.types import EpisodeSource, InputError


def make_demo(seed: int = 0, length: int = 5, **changes: Any) -> dict[str, Any]:
    """Datasets of one demonstration; ``changes`` replaces them (``obs__NAME`` in obs), None leaves one out."""
    rng = np.random.default_rng(seed)
    values = {
        "actions": rng.normal(size=(length, 3)),
        "rewards": np.arange(length, dtype=np.float64),
        "dones": np.arange(length) == length - 1,
        "obs/agentview_image": rng.integers(0, 256, (length, 16, 32, 3)).astype(np.uint8),
        "obs/robot0_eye_in_hand_image": rng.integers(0, 256, (length, 16, 16, 3)).astype(np.uint8),
        "obs/agentview_depth": np.zeros((length, 16, 32, 1), np.float32),
        "obs/robot0_gripper_qpos": rng.normal(size=(length, 2)),
        "obs/robot0_eef_pos": rng.normal(size=(length, 3)),
        "obs/object": rng.normal(size=(length, 10)),
    }
    values |= {name.replace("__", "/"): value for name, value in changes.items()}
    return {name: value for name, value in values.items() if value is not None}


def libero_demo(seed: int = 0, length: int = 5) -> dict[str, Any]:
    demo = make_demo(seed, length)
    state = {f"obs/{name}": np.full((length, n), n, float) for name, n in (("joint_states", 7), ("ee_states", 6))}
    return {
        **{name: demo[name] for name in ("actions", "rewards", "dones")},
        **state,
        "obs/ee_pos": np.zeros((length, 3)),
        "obs/agentview_rgb": demo["obs/agentview_image"],
    }


def write(path: Path, *demos: dict[str, Any], numbers: tuple[int, ...] = (0, 1, 2), **attributes: Any) -> Path:
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs.update(attributes)
        for number, demo in zip(numbers, demos, strict=False):
            for name, value in demo.items():
                data[f"demo_{number}/{name}"] = value
    return path


def test_demonstrations_come_as_they_were_recorded(tmp_path: Path):
    demos = [make_demo(0), make_demo(1, length=7), make_demo(2)]
    settings = json.dumps({"env_name": "Lift", "env_kwargs": {"control_freq": 10}})
    path = write(tmp_path / "lift.hdf5", *demos, numbers=(0, 10, 9), env_args=settings)
    source = RobomimicSource(path)
    assert isinstance(source, EpisodeSource)
    assert (len(source), source.format, source.path) == (3, "robomimic", str(path))
    assert [source[i].episode_id for i in range(3)] == ["demo_0", "demo_9", "demo_10"]
    episode, demo = source[2].validate(), demos[1]
    assert set(episode.frames) == {"agentview", "robot0_eye_in_hand"}
    np.testing.assert_array_equal(episode.frames["agentview"], demo["obs/agentview_image"])
    np.testing.assert_array_equal(episode.frames["robot0_eye_in_hand"], demo["obs/robot0_eye_in_hand_image"])
    np.testing.assert_array_equal(episode.actions, demo["actions"].astype(np.float32))
    state = np.concatenate([demo["obs/robot0_eef_pos"], demo["obs/robot0_gripper_qpos"]], axis=1)
    np.testing.assert_array_equal(episode.state, state.astype(np.float32))
    np.testing.assert_array_equal(episode.reward, np.arange(7))
    assert episode.action_mask.all()
    assert (episode.terminated, episode.text, episode.fps, episode.embodiment) == (True, None, 10.0, "lift")
    with pytest.raises(IndexError):
        source[3]


def test_the_embodiment_has_the_ranges_of_all_demonstrations(tmp_path: Path):
    demos = [make_demo(0), make_demo(1, dones=None, rewards=None)]
    for demo in demos:
        demo["actions"][:, 2] = 0.5
    source = RobomimicSource(write(tmp_path / "lift.hdf5", *demos))
    spec, actions = source.embodiments[0], np.concatenate([demo["actions"] for demo in demos]).astype(np.float32)
    assert (spec.name, spec.action.names, spec.fps) == ("lift", ("a0", "a1", "a2"), 20.0)
    np.testing.assert_array_equal(spec.action.low, actions.min(0))
    np.testing.assert_array_equal(spec.action.high, [*actions.max(0)[:2], 1.5])
    gripper = np.concatenate([demo["obs/robot0_gripper_qpos"] for demo in demos]).astype(np.float32)
    np.testing.assert_array_equal(spec.state_low[3:], gripper.min(0))
    np.testing.assert_array_equal(spec.state_high[3:], gripper.max(0))
    assert (source[1].reward, source[1].terminated) == (None, False)


def test_liberos_pictures_follow_their_action_and_lie_upside_down(tmp_path: Path):
    demo = libero_demo()
    task = json.dumps({"language_instruction": "open the drawer"})
    path = write(tmp_path / "task_demo.hdf5", demo, problem_info=task, macros_image_convention="opengl")
    episode = RobomimicSource(path)[0]
    np.testing.assert_array_equal(episode.frames["agentview"], demo["obs/agentview_rgb"][:, ::-1])
    assert episode.frames["agentview"].flags.c_contiguous
    np.testing.assert_array_equal(episode.actions[:-1], demo["actions"][1:].astype(np.float32))
    assert episode.action_mask.tolist() == [True] * 4 + [False]
    np.testing.assert_array_equal(episode.reward, [1, 2, 3, 4, np.nan])
    np.testing.assert_array_equal(episode.state, [[6] * 6 + [7] * 7] * 5)
    assert (episode.text, episode.terminated) == ("open the drawer", True)
    upright = RobomimicSource(write(tmp_path / "b.hdf5", demo, macros_image_convention="opencv"))[0]
    np.testing.assert_array_equal(upright.frames["agentview"], demo["obs/agentview_rgb"])


def test_without_liberos_mark_nothing_is_moved(tmp_path: Path):
    demo = libero_demo()
    episode = RobomimicSource(write(tmp_path / "a.hdf5", demo))[0]
    np.testing.assert_array_equal(episode.frames["agentview"], demo["obs/agentview_rgb"])
    np.testing.assert_array_equal(episode.actions, demo["actions"].astype(np.float32))


def test_a_folder_of_tasks_and_a_file_that_is_broken(tmp_path: Path):
    folder = tmp_path / "suite"
    folder.mkdir()
    write(folder / "a.hdf5", make_demo(0), make_demo(1))
    write(folder / "c.hdf5", make_demo(2))
    (folder / "b.hdf5").write_bytes((folder / "a.hdf5").read_bytes()[:3000])
    source = RobomimicSource(folder)
    assert (len(source), source.embodiments[0].name) == (4, "suite")
    assert [source[i].episode_id for i in (0, 1, 3)] == ["a/demo_0", "a/demo_1", "c/demo_0"]
    with pytest.raises(InputError, match=r"b\.hdf5: not a whole HDF5 file"):
        source[2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"actions": np.full((5, 3), np.nan)}, "actions holds NaN or infinity, wanted finite"),
        ({"actions": np.full((5, 3), 1e300)}, "actions holds NaN or infinity"),
        ({"actions": None}, "no dataset 'actions'"),
        ({"actions": np.zeros((0, 3))}, r"actions is float64 \(0, 3\), wanted numbers"),
        ({"actions": np.array([b"left"] * 5)}, r"actions is \|S4 \(5,\), wanted numbers"),
        ({"actions": np.zeros((5, 4))}, "4 actions, 5 state numbers, .*, wanted 3 actions"),
        ({"actions": np.zeros((4, 3))}, r"lengths differ \(.* 5, actions 4\)"),
        ({"rewards": np.zeros(6)}, r"lengths differ \(rewards 6, actions 5\)"),
        ({"obs__agentview_image": np.zeros((5, 16, 32, 3), np.float32)}, r"is float32 .*, wanted uint8 \(t, h, w, 3\)"),
        ({"obs__agentview_image": np.zeros((6, 16, 32, 3), np.uint8)}, "lengths differ .camera agentview_image 6"),
        ({"obs__agentview_image": np.zeros((5, 16, 32), np.uint8)}, "wanted uint8"),
        ({"obs__agentview_image": None}, "cameras robot0_eye_in_hand, wanted .* cameras agentview, robot0_eye"),
        ({"obs__robot0_eef_pos": None}, "2 state numbers, .*, wanted 3 actions, 5 state"),
        ({"obs__robot0_eef_pos": np.full((5, 3), np.inf)}, "robot0_eef_pos holds NaN"),
    ],
)
def test_a_damaged_demonstration_does_not_spoil_the_others(tmp_path: Path, changes: dict[str, Any], message: str):
    path = write(tmp_path / "d.hdf5", make_demo(0, **changes), make_demo(1), make_demo(2))
    source = RobomimicSource(path)
    assert len(source) == 3
    assert len(source[1]) == len(source[2]) == 5
    with pytest.raises(InputError, match=message) as caught:
        source[0]
    assert f"{path}: demo_0" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("demo", "attributes", "message"),
    [
        ({}, {}, "no group demo_N in /data"),
        ({"actions": np.zeros((3, 2))}, {}, "no group 'obs'"),
        ({"actions": np.zeros((3, 2)), "obs/object": np.zeros((3, 2))}, {}, "obs holds object, wanted pictures"),
        (make_demo(), {"env_args": "{"}, "attribute env_args of /data is not JSON"),
        (make_demo(), {"env_args": "[1]"}, "attribute env_args of /data is a list"),
        (make_demo(), {"env_args": '{"env_kwargs": {"control_freq": -1}}'}, "control_freq -1 .*, wanted a positive"),
        (make_demo(), {"env_args": '{"env_kwargs": 3}'}, "env_kwargs 3 .*, wanted a JSON object"),
    ],
)
def test_files_without_any_readable_demonstration(tmp_path: Path, demo: dict, attributes: dict, message: str):
    path = write(tmp_path / "d.hdf5", demo, **attributes)
    with pytest.raises(InputError, match=message) as caught:
        RobomimicSource(path)
    assert str(path) in str(caught.value)


def test_a_demonstration_of_another_name_is_not_lost_silently(tmp_path: Path):
    path = write(tmp_path / "d.hdf5", make_demo(0), make_demo(1))
    with h5py.File(path, "a") as file:
        file.move("data/demo_0", "data/dem_0")
    source = RobomimicSource(path)
    assert [len(source), len(source[0])] == [2, 5]
    with pytest.raises(InputError, match=r"dem_0: a group of another name in /data, wanted demo_N"):
        source[1]


def test_more_numbers_than_the_file_can_hold(tmp_path: Path):
    path = write(tmp_path / "d.hdf5", make_demo(0), make_demo(1))
    with h5py.File(path, "a") as file:
        del file["data/demo_0/actions"]
        file.create_dataset("data/demo_0/actions", (10**11, 3), np.float32, chunks=(1000, 3))
    source = RobomimicSource(path)
    assert len(source[1]) == 5
    with pytest.raises(InputError, match="wanted no more than the file can hold"):
        source[0]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_file(tmp_path: Path, share: float):
    path = write(tmp_path / "d.hdf5", make_demo())
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"d\.hdf5: not a whole HDF5 file"):
        RobomimicSource(path)
    assert not detect(path)


def test_a_damaged_block_spoils_one_episode(tmp_path: Path):
    path = tmp_path / "d.hdf5"
    demos = [make_demo(0), make_demo(1)]
    write(path, *demos)
    with h5py.File(path, "a") as file:
        del file["data/demo_0/obs/agentview_image"]
        pictures = demos[0]["obs/agentview_image"]
        data = file.create_dataset(
            "data/demo_0/obs/agentview_image", data=pictures, chunks=pictures.shape, compression="gzip"
        )
        place = data.id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[place.byte_offset : place.byte_offset + place.size // 2] = bytes(place.size // 2)
    path.write_bytes(content)
    source = RobomimicSource(path)
    with pytest.raises(InputError, match=r"d\.hdf5: not a whole HDF5 file"):
        source[0]
    np.testing.assert_array_equal(source[1].frames["agentview"], demos[1]["obs/agentview_image"])


def test_named_embodiments(tmp_path: Path):
    pusht = make_demo(actions=np.zeros((5, 2)), obs__robot0_eef_pos=None)
    path = write(tmp_path / "d.hdf5", pusht)
    assert RobomimicSource(path, "pusht")[0].embodiment == "pusht"
    with pytest.raises(InputError, match="embodiment 'octopus' is unknown, wanted one of: pusht"):
        RobomimicSource(path, "octopus")
    with pytest.raises(InputError, match=r"3 actions, 5 state .* wanted 2 actions, 2 state numbers for pusht"):
        RobomimicSource(write(tmp_path / "e.hdf5", make_demo()), "pusht")


def test_nothing_there(tmp_path: Path):
    with pytest.raises(InputError, match="no such file or folder"):
        RobomimicSource(tmp_path / "none")
    with pytest.raises(InputError, match="no HDF5 file found"):
        RobomimicSource(tmp_path)


def test_detection_looks_inside(tmp_path: Path):
    assert not detect(tmp_path)
    assert not detect(tmp_path / "none")
    assert detect(write(tmp_path / "recording.bin", make_demo()))
    assert not detect(tmp_path)
    (tmp_path / "0.hdf5").write_text("broken")
    write(tmp_path / "1.hdf5", make_demo())
    assert detect(tmp_path)
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["data/img"] = np.zeros((2, 16, 16, 3), np.uint8)
    assert not detect(tmp_path / "other.hdf5")
