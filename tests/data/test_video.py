from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from tests.data.making import SHARED, make_episode
from worldmodel.data.cache import load_recordings
from worldmodel.data.clip import SUFFIXES
from worldmodel.data.open import VIDEO_SUFFIXES, open_dataset
from worldmodel.data.video import VideoSource
from worldmodel.types import InputError


def write_clip(path: Path, length: int = 12, fps: int = 15, **options) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = make_episode(length=length, size=64).frames["pixels"]
    iio.imwrite(path, frames, fps=fps, macro_block_size=1, **options)
    return frames


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_clip(folder / "b.mp4", quality=9)
    write_clip(folder / "a" / "c.mkv")
    write_clip(folder / "a" / "d.avi")
    write_clip(folder / "e.webm", codec="libvpx")
    (folder / "notes.txt").write_text("no video")
    return folder


def test_every_clip_is_an_episode_without_known_actions(clips: Path):
    source = VideoSource(clips)
    assert [source[i].episode_id for i in range(len(source))] == ["a/c.mkv", "a/d.avi", "b.mp4", "e.webm"]
    for index in range(4):
        episode = source[index]
        assert episode.frames["pixels"].shape == (12, 64, 64, 3)
        assert (episode.actions.shape, episode.embodiment, episode.fps) == ((12, 0), "video", 15.0)
        assert not episode.action_mask.any()


def test_pictures_come_in_order_and_in_rgb(clips: Path):
    frames = VideoSource(clips)[2].frames["pixels"].astype(float)
    truth = make_episode(length=12, size=64).frames["pixels"]
    assert np.abs(frames - truth).mean() < 3.0


def test_a_named_embodiment_gives_the_width_of_the_actions(clips: Path):
    episode = VideoSource(clips / "b.mp4", embodiment="pusht")[0]
    assert (episode.actions.shape, episode.embodiment, episode.episode_id) == ((12, 2), "pusht", "b.mp4")


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_truncated_clip_is_named(tmp_path: Path, share: float):
    write_clip(tmp_path / "whole.mp4")
    content = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "x.mp4").write_bytes(content[: int(share * len(content))])
    (tmp_path / "whole.mp4").unlink()
    with pytest.raises(InputError, match=r"x\.mp4: cannot be decoded to its end"):
        VideoSource(tmp_path)[0]


def test_truncated_clip_whose_index_comes_first(tmp_path: Path):
    write_clip(tmp_path / "x.mp4", output_params=["-movflags", "+faststart"])
    content = (tmp_path / "x.mp4").read_bytes()
    (tmp_path / "x.mp4").write_bytes(content[: int(0.7 * len(content))])
    with pytest.raises(InputError, match=r"x\.mp4: cannot be decoded"):
        VideoSource(tmp_path)[0]


def test_nothing_there(tmp_path: Path):
    with pytest.raises(InputError, match="no such file or folder"):
        VideoSource(tmp_path / "none")
    with pytest.raises(InputError, match="no video found"):
        VideoSource(tmp_path)
    (tmp_path / "x.mp4").touch()
    with pytest.raises(InputError, match="embodiment 'octopus' is unknown"):
        VideoSource(tmp_path, embodiment="octopus")


def test_detection_knows_the_same_suffixes():
    assert SUFFIXES == VIDEO_SUFFIXES


@pytest.mark.skipif(not (SHARED / "droid_video").exists(), reason="shared data are not here")
def test_real_robot_clips():
    source = VideoSource(SHARED / "droid_video", cuts=False)
    assert len(source) == 490
    assert source[3].frames["pixels"].shape[1:] == (180, 320, 3)


def test_a_pattern_chooses_clips_of_a_folder(clips: Path):
    source = open_dataset(clips / "a" / "[!d]*.mkv")
    assert (source.format, len(source), source[0].episode_id) == ("video", 1, "c.mkv")
    with pytest.raises(InputError, match=r"z\*\.mp4: no video found"):
        VideoSource(clips / "z*.mp4")


def test_a_pattern_is_cached_until_its_files_change(tmp_path: Path):
    write_clip(tmp_path / "x1.mp4")
    write_clip(tmp_path / "y1.mp4")
    pattern = tmp_path / "x*.mp4"
    assert load_recordings("x", VideoSource(pattern), tmp_path / "cache", 32, 32).episodes == 1
    write_clip(tmp_path / "x2.mp4")
    assert load_recordings("x", VideoSource(pattern), tmp_path / "cache", 32, 32).episodes == 2
