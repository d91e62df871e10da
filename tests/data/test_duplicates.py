"""Copies of a recording are found; recordings that only look alike are not."""

import json
from pathlib import Path

import cv2
import imageio.v3 as iio
import numpy as np
import pytest

from tests.dot_world import DotSource
from worldmodel.data.cache import load_recordings
from worldmodel.data.duplicates import (
    Duplicate,
    duplicates_path,
    find_duplicates,
    held_out_duplicates,
    motion_hash,
    read_duplicates,
)

SIZE_PX = 48


def recording(seed: int, length: int = 40) -> np.ndarray:
    """A bright square that wanders smoothly over a background that all recordings share."""
    background = np.random.default_rng(99).integers(60, 120, (SIZE_PX, SIZE_PX, 3)).astype(np.uint8)
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, SIZE_PX - 12, (6, 2))
    way = np.stack([np.interp(np.linspace(0, 5, length), range(6), corners[:, axis]) for axis in range(2)], 1)
    frames = np.repeat(background[None], length, 0)
    for frame, (x, y) in zip(frames, way.round().astype(int), strict=True):
        frame[y : y + 12, x : x + 12] = (230, 220, 90)
    return frames


def encoded_anew(frames: np.ndarray, folder: Path) -> np.ndarray:
    iio.imwrite(folder / "x.mp4", frames, fps=10, macro_block_size=1, output_params=["-crf", "30"])
    return iio.imread(folder / "x.mp4")


def resized(frames: np.ndarray, folder: Path) -> np.ndarray:
    return np.stack([cv2.resize(frame, (32, 40), interpolation=cv2.INTER_AREA) for frame in frames])


def brighter(frames: np.ndarray, folder: Path) -> np.ndarray:
    return np.clip(frames * 1.1 + 8, 0, 255).astype(np.uint8)


def trimmed(frames: np.ndarray, folder: Path) -> np.ndarray:
    return frames[5:-6]


def within_a_longer_one(frames: np.ndarray, folder: Path) -> np.ndarray:
    return np.concatenate((recording(70), frames, recording(71)))


def all_at_once(frames: np.ndarray, folder: Path) -> np.ndarray:
    return resized(encoded_anew(brighter(trimmed(frames, folder), folder), folder), folder)


@pytest.mark.parametrize("change", [encoded_anew, resized, brighter, trimmed, within_a_longer_one, all_at_once])
def test_copies_are_found(change, tmp_path: Path):
    originals = [motion_hash(change(recording(seed), tmp_path) if seed == 2 else recording(seed)) for seed in range(5)]
    (found,) = find_duplicates([motion_hash(recording(2))], originals)
    assert (found.episode, found.original) == (0, 2)
    assert 0 <= found.distance < 0.2


def test_other_motion_in_the_same_scene_is_no_copy():
    assert find_duplicates([motion_hash(recording(seed)) for seed in range(30)]) == []


def test_the_same_motion_backwards_is_no_copy():
    assert find_duplicates([motion_hash(recording(3)[::-1])], [motion_hash(recording(3))]) == []


def test_among_themselves_each_repeats_an_earlier_one():
    hashes = [motion_hash(recording(seed)) for seed in (0, 1, 0, 2, 1, 0)]
    found = [(item.episode, item.original, item.distance) for item in find_duplicates(hashes)]
    assert found == [(2, 0, 0.0), (4, 1, 0.0), (5, 0, 0.0)]


def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch):
    hashes = [motion_hash(recording(seed)) for seed in (0, 1, 0, 2, 1, 0)]
    whole = find_duplicates(hashes)
    monkeypatch.setattr("worldmodel.data.duplicates.AT_ONCE", 2)
    assert find_duplicates(hashes) == whole


@pytest.mark.parametrize("frames", [recording(0)[:1].repeat(40, 0), recording(0)[:11], recording(0)[:3]])
def test_what_is_still_or_too_short_is_not_compared(frames: np.ndarray):
    assert find_duplicates([motion_hash(frames)], [motion_hash(frames), motion_hash(recording(0))]) == []
    assert find_duplicates([motion_hash(recording(0))], [motion_hash(frames)]) == []
    assert find_duplicates([motion_hash(frames)], []) == []


class WithCopies(DotSource):
    """Recordings by seed; None cannot be used."""

    def __init__(self, seeds: tuple[int | None, ...]) -> None:
        super().__init__((40,) * len(seeds))
        self.path = f"dots {seeds}"
        for episode, seed in zip(self.episodes, seeds, strict=True):
            episode.frames = {"top": np.zeros((40, 32, 32, 3), np.uint8) if seed is None else recording(seed)}


def test_held_out_copies_are_noted_and_the_note_is_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path, train, held = duplicates_path(tmp_path, "d"), np.array([0, 1, 2, 5]), np.array([3, 4, 6])
    assert read_duplicates(path) == []
    recordings = load_recordings("d", WithCopies((0, None, 1, 1, 2, 3, None)), tmp_path, 32, 32)
    found = held_out_duplicates(path, recordings, train, held)
    assert found == read_duplicates(path) == [Duplicate(3, 2, 0.0)]
    assert json.loads(path.read_text())["held_out"] == 3
    with monkeypatch.context() as patch:
        patch.delattr("worldmodel.data.duplicates.motion_hash")
        assert held_out_duplicates(path, recordings, train, held) == found
    assert held_out_duplicates(path, recordings, np.array([0, 1, 2, 3]), np.array([4, 5, 6])) == []
    again = load_recordings("d", WithCopies((4, None, 1, 2, 2, 3, None)), tmp_path, 32, 32)
    assert held_out_duplicates(path, again, np.array([0, 1, 2, 3]), np.array([4, 5, 6])) == [Duplicate(4, 3, 0.0)]
