from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pytest

from worldmodel.data.aloha import AlohaSource, detect
from worldmodel.types import EpisodeSource, InputError


def make_values(seed: int = 0, length: int = 4) -> dict[str, Any]:
    """Datasets of one episode, pictures smooth enough for JPEG, red above all."""
    rng = np.random.default_rng(seed)
    frames = np.zeros((length, 16, 32, 3), np.uint8)
    frames[..., 0] = 200 + 10 * np.arange(length)[:, None, None]
    frames[..., 2] = np.linspace(0, 60, 32).astype(np.uint8)
    return {
        "action": rng.normal(size=(length, 3)).astype(np.float32),
        "observations/qpos": rng.normal(size=(length, 2)).astype(np.float32),
        "observations/qvel": rng.normal(size=(length, 2)).astype(np.float32),
        "observations/images/cam_high": frames,
        "observations/images/cam_low": np.ascontiguousarray(frames[:, ::-1, :16]),
    }


def write(path: Path, seed: int = 0, length: int = 4, **changes: Any) -> Path:
    """Writes an episode; ``changes`` replaces datasets by the last part of their names, None leaves one out."""
    with h5py.File(path, "w") as file:
        file.attrs["sim"] = False
        for name, value in make_values(seed, length).items():
            value = changes.get(name.rsplit("/", 1)[-1], value)
            if value is not None:
                file[name] = value
    return path


def encode(frames: np.ndarray) -> list[np.ndarray]:
    """Compresses as ACT's recorder does, giving RGB to OpenCV."""
    return [cv2.imencode(".jpg", frame, [int(cv2.IMWRITE_JPEG_QUALITY), 95])[1].ravel() for frame in frames]


def pad(coded: list[np.ndarray]) -> np.ndarray:
    size = max(map(len, coded)) + 5
    return np.stack([np.pad(picture, (0, size - len(picture))) for picture in coded])


def test_episodes_come_as_they_were_recorded(tmp_path: Path):
    for number in (0, 10, 9):
        write(tmp_path / f"episode_{number}.hdf5", seed=number, length=4 + number)
    source = AlohaSource(tmp_path)
    assert isinstance(source, EpisodeSource)
    assert (len(source), source.format) == (3, "aloha")
    assert [source[i].episode_id for i in range(3)] == ["episode_0", "episode_9", "episode_10"]
    episode, values = source[2].validate(), make_values(10, 14)
    assert set(episode.frames) == {"cam_high", "cam_low"}
    for camera, frames in episode.frames.items():
        np.testing.assert_array_equal(frames, values[f"observations/images/{camera}"])
    np.testing.assert_array_equal(episode.actions, values["action"])
    np.testing.assert_array_equal(episode.state, values["observations/qpos"])
    assert episode.action_mask.all()
    assert (episode.fps, episode.embodiment, episode.text) == (50.0, tmp_path.name, None)
    with pytest.raises(IndexError):
        source[3]


def test_the_embodiment_has_the_ranges_of_all_episodes(tmp_path: Path):
    for seed in range(2):
        write(tmp_path / f"episode_{seed}.hdf5", seed)
    spec = AlohaSource(tmp_path, fps=25.0).embodiments[0]
    actions = np.concatenate([make_values(seed)["action"] for seed in range(2)])
    assert (spec.action.names, spec.fps, len(spec.state_low)) == (("a0", "a1", "a2"), 25.0, 2)
    np.testing.assert_array_equal(spec.action.low, actions.min(0))
    np.testing.assert_array_equal(spec.action.high, actions.max(0))


def test_one_file_is_one_episode(tmp_path: Path):
    source = AlohaSource(write(tmp_path / "grasp.hdf5"))
    assert (len(source), source[0].embodiment, source[0].episode_id) == (1, "grasp", "grasp")


@pytest.mark.parametrize("form", ["padded", "strings", "of any length"])
def test_compressed_pictures(tmp_path: Path, form: str):
    truth = make_values()["observations/images/cam_high"]
    coded = encode(truth)
    path = write(tmp_path / "a.hdf5", cam_high=None)
    with h5py.File(path, "a") as file:
        file.attrs["compress"] = True
        if form == "padded":
            file["observations/images/cam_high"] = pad(coded)
            file["compress_len"] = np.array([[len(picture) for picture in coded]] * 2, np.float32)
        elif form == "strings":
            file["observations/images/cam_high"] = np.array([picture.tobytes() for picture in coded])
        else:
            data = file.create_dataset("observations/images/cam_high", (len(coded),), h5py.vlen_dtype(np.uint8))
            for t, picture in enumerate(coded):
                data[t] = picture
    frames = AlohaSource(path)[0].frames["cam_high"]
    assert frames.shape == truth.shape
    assert np.abs(frames.astype(int) - truth).mean() < 4


def broken_picture() -> np.ndarray:
    coded = encode(make_values()["observations/images/cam_high"])
    coded[2] = coded[2][: len(coded[2]) // 2]
    return pad(coded)


def other_sizes() -> np.ndarray:
    frames = make_values()["observations/images/cam_high"]
    return pad([*encode(frames[:3]), *encode(frames[3:, :, :16])])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cam_high": broken_picture()}, r"camera cam_high, frame 2: \d+ bytes cannot be decoded, wanted a whole JPEG"),
        ({"cam_high": np.zeros((4, 100), np.uint8)}, "frame 0: 100 bytes cannot be decoded"),
        ({"cam_high": broken_picture()[:3]}, r"lengths differ \(camera cam_high 3, actions 4\)"),
        ({"cam_high": other_sizes()}, r"frame 3 is \(16, 16, 3\), wanted \(16, 32, 3\)"),
        ({"cam_high": np.zeros((4, 16, 32, 3))}, r"camera cam_high is float64 .*, wanted uint8"),
        ({"cam_high": np.zeros((5, 16, 32, 3), np.uint8)}, r"lengths differ \(camera cam_high 5"),
        ({"cam_high": None}, "cameras cam_low, wanted .*, cameras cam_high, cam_low"),
        ({"cam_high": None, "cam_low": None}, "no group 'images'"),
        ({"action": np.full((4, 3), np.nan, np.float32)}, "action holds NaN"),
        ({"action": None}, "no dataset 'action'"),
        ({"action": np.zeros((4, 2), np.float32)}, "2 actions, 2 state .*, wanted 3 actions"),
        ({"qpos": np.zeros((3, 2), np.float32)}, r"lengths differ \(qpos 3, actions 4\)"),
        ({"qpos": None}, "no dataset 'qpos'"),
        ({"qpos": np.array([b"x"] * 4)}, r"qpos is \|S1 \(4,\), wanted numbers"),
    ],
)
def test_a_damaged_episode_does_not_spoil_the_others(tmp_path: Path, changes: dict[str, Any], message: str):
    path = write(tmp_path / "episode_0.hdf5", **changes)
    for number in (1, 2):
        write(tmp_path / f"episode_{number}.hdf5")
    source = AlohaSource(tmp_path)
    assert len(source) == 3
    assert len(source[1]) == len(source[2]) == 4
    with pytest.raises(InputError, match=message) as caught:
        source[0]
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_file(tmp_path: Path, share: float):
    path = write(tmp_path / "episode_0.hdf5")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"episode_0\.hdf5: not a whole HDF5 file"):
        AlohaSource(path)
    write(tmp_path / "episode_1.hdf5")
    source = AlohaSource(tmp_path)
    assert (len(source), len(source[1])) == (2, 4)
    with pytest.raises(InputError, match=r"episode_0\.hdf5: not a whole HDF5 file"):
        source[0]


def test_named_embodiments_and_nothing_there(tmp_path: Path):
    with pytest.raises(InputError, match="no HDF5 file found"):
        AlohaSource(tmp_path)
    with pytest.raises(InputError, match="no such file or folder"):
        AlohaSource(tmp_path / "none")
    path = write(tmp_path / "a.hdf5", action=np.zeros((4, 2), np.float32))
    assert AlohaSource(path, "pusht")[0].embodiment == "pusht"
    with pytest.raises(InputError, match="embodiment 'octopus' is unknown"):
        AlohaSource(path, "octopus")


def test_detection_looks_inside(tmp_path: Path):
    assert not detect(tmp_path)
    assert not detect(tmp_path / "none")
    assert detect(write(tmp_path / "recording.bin"))
    (tmp_path / "episode_0.hdf5").touch()
    assert not detect(tmp_path)
    write(tmp_path / "episode_1.hdf5")
    assert detect(tmp_path)
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["data/img"] = np.zeros((2, 16, 16, 3), np.uint8)
    assert not detect(tmp_path / "other.hdf5")
