"""Films become episodes: one per scene, of a constant rate, with cuts kept in the user's cache."""

import json
import os
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from tests.data.test_cuts import scene
from worldmodel.data import scenes
from worldmodel.data.clip import Clip, steady
from worldmodel.data.open import open_dataset
from worldmodel.data.scenes import cuts_path
from worldmodel.data.video import VideoSource
from worldmodel.types import InputError

LENGTHS = (20, 3, 14)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("film")
    frames = np.concatenate([scene(seed, length, sensor_noise=False) for seed, length in enumerate(LENGTHS)])
    iio.imwrite(folder / "cut.mp4", frames, fps=15, macro_block_size=1)
    iio.imwrite(folder / "one.mp4", frames[:20], fps=15, macro_block_size=1)
    return folder


def write_gif(path: Path, durations_ms: list[int]) -> list[int]:
    """A GIF whose pictures get brighter; returns their values."""
    values = np.linspace(0, 250, len(durations_ms)).round().astype(int).tolist()
    pictures = [Image.fromarray(np.full((32, 48, 3), value, np.uint8)) for value in values]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=durations_ms, loop=0)
    return values


def test_every_scene_is_an_episode(film: Path):
    source = VideoSource(film)
    episodes = [source[index] for index in range(len(source))]
    assert [episode.episode_id for episode in episodes] == ["cut.mp4#0", "cut.mp4#1", "cut.mp4#2", "one.mp4"]
    assert [len(episode) for episode in episodes] == [*LENGTHS, 20]
    whole = VideoSource(film, cuts=False)[0].frames["pixels"]
    assert np.array_equal(np.concatenate([episode.frames["pixels"] for episode in episodes[:3]]), whole)


def test_splitting_can_be_turned_off(film: Path):
    source = open_dataset(film, cuts=False)
    assert [source[index].episode_id for index in range(len(source))] == ["cut.mp4", "one.mp4"]
    assert len(source[0]) == sum(LENGTHS)
    assert not cuts_path(film).exists()


def test_cuts_are_looked_for_once_and_outside_the_folder(film: Path, monkeypatch: pytest.MonkeyPatch):
    before = sorted(film.iterdir())
    assert len(VideoSource(film)) == 4
    assert sorted(film.iterdir()) == before
    looked: list[Path] = []
    find = scenes.find_edges
    monkeypatch.setattr(scenes, "find_edges", lambda clip: looked.append(clip) or find(clip))
    assert len(VideoSource(film)) == 4
    assert looked == []
    os.utime(film / "one.mp4")
    assert len(VideoSource(film)) == 4
    assert looked == [film / "one.mp4"]


@pytest.mark.parametrize("content", ["{", "[]"])
def test_damaged_cache_is_made_anew(film: Path, content: str):
    cuts_path(film).parent.mkdir(parents=True)
    cuts_path(film).write_text(content)
    assert len(VideoSource(film)) == 4
    assert len(json.loads(cuts_path(film).read_text())) == 2


def test_cache_that_cannot_be_written_costs_only_time(film: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(VideoSource(film)) == 4


def test_scenes_longer_than_memory_are_cut_into_equal_parts(film: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scenes, "PART_BYTES", 36 * 64 * 3 * 11)
    source = VideoSource(film / "cut.mp4")
    assert [len(source[index]) for index in range(len(source))] == [10, 10, 3, 7, 7]


def test_broken_clip_is_one_episode_that_tells(film: Path, tmp_path: Path):
    (tmp_path / "half.mp4").write_bytes((film / "cut.mp4").read_bytes()[:700])
    (tmp_path / "whole.mp4").write_bytes((film / "one.mp4").read_bytes())
    source = VideoSource(tmp_path)
    assert len(source) == 2
    assert len(source[1]) == 20
    with pytest.raises(InputError, match=r"half\.mp4: cannot be decoded to its end"):
        source[0]


def test_gif(tmp_path: Path):
    values = write_gif(tmp_path / "x.gif", [100] * 6)
    episode = open_dataset(tmp_path)[0]
    assert (episode.fps, episode.frames["pixels"].shape) == (10.0, (6, 32, 48, 3))
    assert np.abs(episode.frames["pixels"].mean((1, 2, 3)) - values).max() < 2


def test_gif_of_varying_durations_shows_each_picture_as_long_as_it_stood(tmp_path: Path):
    values = write_gif(tmp_path / "x.gif", [100, 100, 300, 100, 200])
    clip = Clip(tmp_path / "x.gif")
    shown = np.repeat(values, [1, 1, 3, 1, 2])
    assert clip.fps == 10.0
    assert np.abs(clip.read().mean((1, 2, 3)) - shown).max() < 2
    assert clip.read(3, 6).mean((1, 2, 3)).round().tolist() == [values[2], values[2], values[3]]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_truncated_gif(tmp_path: Path, share: float):
    write_gif(tmp_path / "x.gif", [100] * 6)
    content = (tmp_path / "x.gif").read_bytes()
    (tmp_path / "x.gif").write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"x\.gif: cannot be decoded to its end"):
        VideoSource(tmp_path)[0]


def test_steady_pictures_stay_as_they_are():
    times = np.round(np.arange(31) / 30, 3)  # as Matroska tells 30 Hz
    fps, shown = steady(times, 30.0)
    assert (fps, shown.tolist()) == (30.0, list(range(30)))


def test_a_tick_shows_the_last_picture_that_appeared_not_later():
    times = np.array([0.0, 0.1, 0.25, 0.3, 0.4, 0.5])
    fps, shown = steady(times, 99.0)
    assert (fps, shown.tolist()) == (10.0, [0, 1, 1, 3, 4])


def test_slides_come_at_least_once_a_second():
    fps, shown = steady(np.array([0.0, 3.0, 4.0, 20.0]), 99.0)
    assert (fps, shown.tolist()) == (1.0, [0] * 3 + [1] + [2] * 16)


def test_times_that_run_back_are_not_believed():
    assert steady(np.array([0.0, 0.2, 0.1, 0.3]), 25.0)[0] == 25.0
    assert steady(np.array([0.0, 0.04]), 25.0)[1].tolist() == [0]
