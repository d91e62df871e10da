"""The pointer in pictures."""

import numpy as np
import pytest

from worldmodel.screen.pointer import HEIGHT, WIDTH, draw_pointer, find_pointer


def page(seed: int = 0) -> np.ndarray:
    """Boxes and lines of many colours."""
    rng = np.random.default_rng(seed)
    picture = np.full((96, 128, 3), 240, np.uint8)
    for _ in range(20):
        x, y, w, h = rng.integers(4, 100, 4)
        picture[y : y + h // 3, x : x + w // 3] = rng.integers(0, 256, 3)
    return picture


@pytest.mark.parametrize("place", [(0, 0), (50, 40), (128 - WIDTH, 96 - HEIGHT), (121, 30), (64, 86), (31, 7)])
def test_a_pointer_is_found_where_it_was_drawn(place: tuple[int, int]) -> None:
    picture = page()
    draw_pointer(picture, *place)
    assert find_pointer(picture) == place


def test_a_blurred_and_noisy_pointer_is_found() -> None:
    picture = page(1)
    draw_pointer(picture, 60, 33)
    noisy = picture + np.random.default_rng(0).normal(0, 20, picture.shape)
    assert find_pointer(noisy.clip(0, 255).astype(np.uint8)) == (60, 33)


@pytest.mark.parametrize("seed", range(5))
def test_no_pointer_is_found_where_there_is_none(seed: int) -> None:
    assert find_pointer(page(seed)) is None
