"""Choosing a camera, or tiling them all."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.dot_world import DotSource
from worldmodel.data.cache import load_recordings
from worldmodel.data.cameras import camera_frames, tile
from worldmodel.types import InputError

COLOURS = {"wrist": 200, "left": 50, "top": 100}  # the first is not the first by name


def cameras(count: int) -> dict[str, np.ndarray]:
    return {f"c{index}": np.full((3, 16, 32, 3), index + 1, np.uint8) for index in range(count)}


class ThreeCameras(DotSource):
    """Episodes seen by three cameras, each of one colour; the last one's pictures are of another size."""

    def __getitem__(self, index: int):
        episode = super().__getitem__(index)
        sizes = {"wrist": (32, 32), "left": (32, 32), "top": (16, 48)}
        frames = {name: np.full((len(episode), *sizes[name], 3), value, np.uint8) for name, value in COLOURS.items()}
        for pictures in frames.values():
            pictures[::2] += 20  # or it would count as frozen
        return replace(episode, frames=frames)


@pytest.mark.parametrize(("camera", "value"), [(None, 200), ("left", 50), ("top", 100)])
def test_one_camera(camera: str | None, value: int):
    assert (camera_frames(ThreeCameras()[0], camera)[1] == value).all()


def test_unknown_camera_names_those_there_are():
    with pytest.raises(InputError, match="no camera 'front', wanted one of wrist, left, top, tile"):
        camera_frames(ThreeCameras()[0], "front")


def test_tiles_lie_in_the_order_of_names_at_the_size_of_the_first():
    picture = camera_frames(ThreeCameras()[0], "tile")[1]
    assert picture.shape == (64, 64, 3)
    quarters = (picture[:32, :32], picture[:32, 32:], picture[32:, :32], picture[32:, 32:])
    assert [set(quarter.ravel().tolist()) for quarter in quarters] == [{50}, {100}, {200}, {0}]


@pytest.mark.parametrize(("count", "grid"), [(1, (1, 1)), (2, (1, 2)), (4, (2, 2)), (5, (2, 3)), (9, (3, 3))])
def test_the_grid_is_nearly_square(count: int, grid: tuple[int, int]):
    picture = tile(cameras(count))
    assert picture.shape == (3, grid[0] * 16, grid[1] * 32, 3)
    assert [int(picture[0, p // grid[1] * 16, p % grid[1] * 32, 0]) for p in range(count)] == list(range(1, count + 1))


def test_a_camera_may_be_called_tile():
    episode = replace(ThreeCameras()[0], frames={"tile": np.zeros((40, 8, 8, 3), np.uint8)})
    assert camera_frames(episode, "tile").shape[1:3] == (8, 8)


def test_every_camera_has_a_cache_of_its_own(tmp_path: Path):
    source = ThreeCameras((6, 8))
    loaded = {name: load_recordings("d", source, tmp_path, 32, 32, camera=name) for name in (None, "left", "tile")}
    assert len(list(tmp_path.glob("d-*.hdf5"))) == 3
    assert [int(loaded[name].frames[1][0, 0, 0]) for name in (None, "left")] == [200, 50]
    assert len(np.unique(loaded["tile"].frames[1])) > 2
    with pytest.raises(InputError, match="no camera 'front', wanted one of wrist"):
        load_recordings("d", source, tmp_path, 32, 32, camera="front")
    assert len(list(tmp_path.glob("d-*.hdf5"))) == 3
