"""Recordings counted in latents: in the dot world every action is the place where the dot is next."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.dot_world import DOT, RED, DotSource, find
from worldmodel.data.cache import Recordings, load_recordings
from worldmodel.data.latent_time import in_latent_time, regroup
from worldmodel.data.windows import WindowSampler
from worldmodel.latent_statistics import fit_statistics
from worldmodel.models.frame_tokenizer import FrameTokenizer, covering, fitting


class LastFrames(FrameTokenizer):
    """A latent is the last of the four frames that it spans, as it is."""

    frames_per_latent = 4

    def __init__(self) -> None:
        super().__init__(3, 1, {})
        self.lengths: list[int] = []

    def bottleneck(self, pixels: Tensor) -> Tensor:
        return pixels

    def reconstruct(self, latents: Tensor) -> Tensor:
        return latents

    def encode_clips(self, frames: Tensor) -> Tensor:
        assert frames.shape[1] % 4 == 1
        self.lengths.append(frames.shape[1])
        return (frames[:, ::4] / 255.0 - self.latent_mean) / self.latent_std


@pytest.fixture
def recordings(tmp_path: Path) -> Recordings:
    """Two episodes, with a damaged one between them, which has no frames."""
    return load_recordings("dots", DotSource((15, 1, 9)), tmp_path, 32, 32)


def test_a_group_of_actions_leads_to_the_next_latent(recordings: Recordings, tmp_path: Path) -> None:
    timed = in_latent_time(recordings, LastFrames(), tmp_path)
    assert timed.starts.tolist() == [0, 4, 4, 7]
    sampler = WindowSampler(
        [timed],
        [np.arange(3)],
        window=3,
        chunk=2,
        action_size=9,
        state_size=2,
        bodies={"dot": 0},
    )
    batch = sampler.draw((0,), 0, 32)
    assert batch.latents is not None
    assert batch.state is not None
    assert batch.actions.shape == (32, 4, 9)
    # The last of a group's four places is where the dot of the next latent is.
    torch.testing.assert_close(batch.actions[:, :2, 6:8], batch.state[:, 1:])
    pictures = (batch.latents * 255).round().numpy().astype(np.uint8)
    shown = np.stack([[find(picture, RED) for picture in row] for row in pictures])
    np.testing.assert_allclose(DOT.normalise_state(shown), batch.state, atol=1e-6)
    assert (batch.actions[..., 8] == 0).all()


def test_places_on_the_way_are_those_of_the_frames_in_between(recordings: Recordings, tmp_path: Path) -> None:
    timed = in_latent_time(recordings, LastFrames(), tmp_path)
    assert recordings.state is not None
    assert timed.state is not None
    # The last episode begins at frame 15 and latent 4; its latent 1 shows its frames 1 to 4.
    np.testing.assert_array_equal(timed.actions[4].reshape(4, 2), recordings.state[16:20])
    np.testing.assert_array_equal(timed.state[4:], recordings.state[15:24:4])
    assert timed.action_mask.tolist() == [True, True, True, False, True, True, False]
    assert (timed.spec.fps, len(timed.spec.action)) == (2.5, 8)
    assert timed.spec.action.points == ((0, 1), (2, 3), (4, 5), (6, 7))


def with_outcomes(recordings: Recordings, reward: list[float], success: list[float]) -> Recordings:
    """One episode with these outcomes, without a state."""
    count = len(reward)
    return replace(
        recordings,
        starts=np.array([0, count]),
        state=None,
        reward=np.array(reward, np.float32),
        success=np.array(success, np.float32),
    )


def test_rewards_add_up_and_one_success_is_enough(recordings: Recordings) -> None:
    nan, latents = np.nan, np.zeros((3, 1, 1, 1), np.float16)
    nine = with_outcomes(recordings, [1, 2, 3, 4, 1, 1, nan, 1, 5], [0, 0, 0, 0, 0, 1, nan, 0, 1])
    timed = regroup(nine, latents, 4)
    np.testing.assert_array_equal(timed.reward, [10, nan, nan])
    np.testing.assert_array_equal(timed.success[:2], [0, 1])
    unknown = regroup(with_outcomes(recordings, [0] * 5, [0, nan, 0, 0, 0]), latents[:2], 4)
    assert np.isnan(unknown.success[0])
    assert unknown.state is None


def test_latents_are_encoded_once(recordings: Recordings, tmp_path: Path) -> None:
    tokenizer = LastFrames()
    first = in_latent_time(recordings, tokenizer, tmp_path)
    again = in_latent_time(recordings, tokenizer, tmp_path)
    assert tokenizer.lengths == [13, 9]
    assert first.latents is not None
    np.testing.assert_array_equal(first.latents, again.latents)
    assert len(list(tmp_path.glob("*.latents.hdf5"))) == 1
    assert recordings.latents is None


def test_statistics_are_those_of_clips(recordings: Recordings) -> None:
    tokenizer = LastFrames()
    fit_statistics(tokenizer, [recordings], [np.array([0, 2])])
    assert set(tokenizer.lengths) == {13, 9}
    clips = [torch.from_numpy(recordings.frames[a:b])[None] for a, b in ((0, 13), (15, 24))]
    latents = torch.cat([tokenizer.encode_clips(clip)[0] for clip in clips])
    torch.testing.assert_close(latents.mean((0, 1, 2)), torch.zeros(3), atol=0.05, rtol=0)
    torch.testing.assert_close(latents.std((0, 1, 2)), torch.ones(3), atol=0.1, rtol=0)


def test_numbers_of_frames_that_fit() -> None:
    assert [fitting(count, 4) for count in (0, 1, 4, 5, 8, 9)] == [0, 1, 1, 5, 5, 9]
    assert [covering(count, 4) for count in (1, 2, 4, 5, 6)] == [1, 5, 5, 5, 9]
    assert [fitting(7, 1), covering(7, 1)] == [7, 7]
