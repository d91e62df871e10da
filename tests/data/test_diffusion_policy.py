from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.data.making import SHARED, write_hdf5
from worldmodel.data.diffusion_policy import DiffusionPolicySource
from worldmodel.data.embodiments import PUSHT
from worldmodel.types import InputError


def test_episodes_are_cut_at_their_ends(tmp_path: Path):
    path = write_hdf5(tmp_path / "d.hdf5")
    source = DiffusionPolicySource(path)
    assert (len(source), source.format, list(source.embodiments)) == (2, "diffusion_policy", [PUSHT])
    with h5py.File(path) as file:
        img, action, state = (np.asarray(file[f"data/{name}"]) for name in ("img", "action", "state"))
    for index, rows in enumerate((slice(0, 5), slice(5, 9))):
        episode = source[index]
        np.testing.assert_array_equal(episode.frames["pixels"], img[rows])
        np.testing.assert_array_equal(episode.actions, action[rows])
        np.testing.assert_array_equal(episode.state, state[rows, :2])
        assert episode.action_mask.all()
        assert (episode.reward, episode.fps, episode.licence) == (None, 10.0, "MIT")
    with pytest.raises(IndexError):
        source[2]


def test_reward_is_read_where_there_is_one(tmp_path: Path):
    reward = np.linspace(0, 1, 9, dtype=np.float32)
    episode = DiffusionPolicySource(write_hdf5(tmp_path / "d.hdf5", reward=reward))[1]
    np.testing.assert_array_equal(episode.reward, reward[5:])


def test_missing_file(tmp_path: Path):
    with pytest.raises(InputError, match="no such file"):
        DiffusionPolicySource(tmp_path / "none.hdf5")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_file(tmp_path: Path, share: float):
    path = write_hdf5(tmp_path / "d.hdf5")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match="not a whole HDF5 file") as caught:
        DiffusionPolicySource(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_hdf5(tmp_path: Path):
    with h5py.File(tmp_path / "d.hdf5", "w") as file:
        file["data/img"] = np.zeros((2, 16, 16, 3), np.uint8)
    with pytest.raises(InputError, match="without data/action, data/state, meta/episode_ends"):
        DiffusionPolicySource(tmp_path / "d.hdf5")


def test_unequal_lengths(tmp_path: Path):
    path = write_hdf5(tmp_path / "d.hdf5", action=np.zeros((8, 2), np.float32))
    with pytest.raises(InputError, match=r"'action': 8.*last episode end"):
        DiffusionPolicySource(path)


def test_ends_that_fall(tmp_path: Path):
    with pytest.raises(InputError, match="wanted them to rise"):
        DiffusionPolicySource(write_hdf5(tmp_path / "d.hdf5", ends=(9, 5, 9)))


def test_other_shapes_want_a_named_embodiment(tmp_path: Path):
    path = write_hdf5(tmp_path / "d.hdf5", action=np.zeros((9, 3), np.float32))
    with pytest.raises(InputError, match="3 actions, 5 state numbers"):
        DiffusionPolicySource(path)
    with pytest.raises(InputError, match="wanted 2 and at least 2 for pusht"):
        DiffusionPolicySource(path, embodiment="pusht")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_actions_that_are_no_numbers(tmp_path: Path, value: float):
    actions = np.zeros((9, 2), np.float32)
    actions[6, 1] = value
    source = DiffusionPolicySource(write_hdf5(tmp_path / "d.hdf5", action=actions))
    assert len(source[0]) == 5
    with pytest.raises(InputError, match="actions hold NaN or infinity"):
        source[1]


@pytest.mark.skipif(not (SHARED / "pusht_human.hdf5").exists(), reason="shared data are not here")
def test_human_demonstrations():
    source = DiffusionPolicySource(SHARED / "pusht_human.hdf5")
    episode = source[185]
    assert (len(source), episode.licence) == (186, "MIT")
    assert episode.frames["pixels"].shape == (len(episode), 96, 96, 3)
    assert np.linalg.norm(np.diff(episode.state, axis=0), axis=1).max() < 100
