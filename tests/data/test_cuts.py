"""Cuts are found where scenes change, and nowhere else."""

import cv2
import numpy as np
import pytest

from worldmodel.data.cuts import find_cuts

HEIGHT_PX, WIDTH_PX = 36, 64


def scene(seed: int, length: int, speed_px: float = 1.0, sensor_noise: bool = True) -> np.ndarray:
    """A camera that pans over a random blurred landscape."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 400, 3)).astype(np.uint8)
    landscape = cv2.resize(coarse, (6400, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)
    frames = np.stack([landscape[:, int(speed_px * t) :][:, :WIDTH_PX] for t in range(length)])
    noise = rng.normal(0, 3, frames.shape) if sensor_noise else 0
    return (frames + noise).clip(0, 255).astype(np.uint8)


def cuts_of(*parts: np.ndarray) -> list[int]:
    frames = np.concatenate(parts)
    count, cuts = find_cuts(frames)
    assert count == len(frames)
    return cuts


def blend(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    share = np.linspace(0, 1, len(one))[:, None, None, None]
    return (one * (1 - share) + other * share).astype(np.uint8)


@pytest.mark.parametrize("seed", range(5))
def test_hard_cuts(seed: int):
    assert cuts_of(scene(seed, 30), scene(seed + 10, 25), scene(seed + 20, 12)) == [30, 55]


def test_cut_between_still_pictures_and_near_the_ends():
    still = [scene(seed, 1, sensor_noise=False) for seed in range(3)]
    assert cuts_of(still[0].repeat(2, 0), still[1].repeat(20, 0), still[2].repeat(2, 0)) == [2, 22]


def test_short_scene_between_two_others_is_kept_apart():
    assert cuts_of(scene(0, 30), scene(1, 4), scene(2, 30)) == [30, 34]


@pytest.mark.parametrize("speed_px", [0.0, 1, 4, 16, 40])
def test_motion_of_any_steady_speed_is_no_cut(speed_px: float):
    assert cuts_of(scene(0, 60, speed_px)) == []


def test_motion_that_starts_and_stops_at_once_is_no_cut():
    places = np.cumsum(np.concatenate(([0] * 20, [24] * 15, [0] * 20)))
    landscape = scene(0, 1400, sensor_noise=False)
    assert cuts_of(landscape[places]) == []


@pytest.mark.parametrize("length", [1, 2, 3, 6])
@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (220, 20, 20)])
def test_flash_of_one_colour_is_no_cut(length: int, colour: tuple[int, int, int]):
    frames = scene(0, 60)
    frames[30 : 30 + length] = colour
    assert cuts_of(frames) == []


def test_cut_beside_a_flash():
    frames = np.concatenate((scene(0, 30), scene(1, 30)))
    frames[20:22] = 255
    assert cuts_of(frames) == [30]


def test_dissolve_is_no_cut():
    one, other = scene(0, 60), scene(1, 60)
    assert cuts_of(one[:20], blend(one[20:40], other[20:40]), other[40:]) == []


@pytest.mark.parametrize("black", [1, 2, 12])
def test_fade_through_black_is_one_cut_in_the_black(black: int):
    one, other, dark = scene(0, 45), scene(1, 45), np.zeros((black, HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    fade_out, fade_in = (blend(part, np.zeros_like(part)) for part in (one[20:], other[20:]))
    (cut,) = cuts_of(one[:20], fade_out, dark, fade_in[::-1], other[20:])
    assert 44 <= cut <= 46 + black


def test_scene_on_the_verge_of_black_is_no_fade():
    frames = np.full((40, HEIGHT_PX, WIDTH_PX, 3), 4, np.uint8)
    frames[::3] = 6
    assert cuts_of(frames) == []


def test_slow_change_of_light_is_no_cut():
    light = np.linspace(0.3, 1.0, 60)[:, None, None, None]
    assert cuts_of((scene(0, 60) * light).astype(np.uint8)) == []


@pytest.mark.parametrize("length", [0, 1, 2])
def test_hardly_any_picture(length: int):
    assert cuts_of(scene(0, 2)[:length]) == []
