import numpy as np
import pytest

from worldmodel.data.frames import check_frame_size, resize_frames
from worldmodel.types import InputError


def test_halving_averages_areas():
    frames = np.random.default_rng(0).integers(0, 256, (3, 32, 48, 3)).astype(np.uint8)
    means = frames.reshape(3, 16, 2, 24, 2, 3).mean((2, 4))
    assert np.abs(resize_frames(frames, 16, 24) - means).max() <= 1.0


def test_same_size_is_the_same_array():
    frames = np.zeros((2, 16, 16, 3), np.uint8)
    assert resize_frames(frames, 16, 16) is frames


def test_slices_and_flat_colours_survive_96_to_64():
    frames = np.full((4, 96, 96, 6), 77, np.uint8)[::2, ..., ::2]
    resized = resize_frames(frames, 64, 64)
    assert resized.shape == (2, 64, 64, 3)
    assert (resized == 77).all()


@pytest.mark.parametrize(("height", "width"), [(60, 64), (64, 65), (0, 16), (-16, 16)])
def test_sizes_that_cannot_be_cut_are_refused(height: int, width: int):
    with pytest.raises(InputError, match=f"here: frame size {height}x{width}, wanted .* 16"):
        check_frame_size(height, width, "here")
