from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from tests.dot_world import DOT, DotSource
from worldmodel.data.cache import encode_recordings, load_recordings
from worldmodel.data.crops import choose_part
from worldmodel.data.windows import PictureSampler, Stream, WindowSampler, is_act_step, labelled, split
from worldmodel.models.tokenizer import Tokenizer, TokenizerConfig
from worldmodel.types import InputError

SMALL = TokenizerConfig(channels=4, width=8, stem_width=8, blocks=1)


@pytest.fixture
def recordings(tmp_path):
    loaded = load_recordings("dots", DotSource((12, 5, 9)), tmp_path, 32, 32)
    encode_recordings(loaded, Tokenizer(SMALL), tmp_path)
    return loaded


def sampler(recordings, episodes=(0, 1, 2), known=None, window=4, chunk=3):
    return WindowSampler(
        [recordings],
        [np.array(episodes)],
        window=window,
        chunk=chunk,
        action_size=3,
        state_size=2,
        bodies={"dot": 0},
        known=known,
    )


def test_windows_keep_actions_beside_their_frames(recordings, tmp_path):
    """In the dot world the action at t is where the dot is at t + 1, which is also the state there."""
    batch = sampler(recordings).draw((0,), 0, 64)
    assert batch.latents is not None
    assert batch.state is not None
    assert batch.latents.shape == (64, 4, 4, 4, 4)
    assert batch.actions.shape == (64, 6, 3)
    torch.testing.assert_close(batch.actions[:, :3, :2], batch.state[:, 1:])
    assert (batch.actions[..., 2] == 0).all()


def test_actions_beyond_an_episode_are_masked(recordings):
    batch = sampler(recordings, episodes=(1,)).draw((0,), 0, 64)
    masks = {tuple(row.tolist()) for row in batch.action_mask}
    assert masks == {(True, True, True, True, False, False), (True, True, True, False, False, False)}


def test_unlabelled_episodes_hide_their_actions(recordings):
    batch = sampler(recordings, known=[np.array([0])]).draw((0,), 0, 200)
    assert 0 < batch.action_mask.any(1).float().mean() < 1


def test_a_batch_depends_on_seed_and_step_only(recordings):
    first = Stream(sampler(recordings), seed=1, size=3)
    later = Stream(sampler(recordings), seed=1, size=3, start=2)
    batches = [batch for _, (_, batch) in zip(range(3), first, strict=False)]
    step, again = next(iter(later))
    assert step == 2
    torch.testing.assert_close(batches[2].latents, again.latents)
    assert not torch.equal(batches[1].actions, again.actions)


def test_acting_steps_draw_from_their_own_mixture(recordings):
    ours, others = sampler(recordings, episodes=(0,)), sampler(recordings, episodes=(2,))
    others.imitate = [False]
    stream = Stream(ours, seed=1, size=3, act_sampler=others, act_share=1 / 3, act_size=3)
    imitated = [batch.imitate.all().item() for _, (_, batch) in zip(range(6), stream, strict=False)]
    assert imitated == [True, True, False, True, True, False]


@pytest.mark.parametrize(
    ("share", "steps"), [(0.0, []), (1 / 3, [2, 5, 8, 11]), (0.5, [1, 3, 5, 7, 9, 11]), (1.0, [*range(12)])]
)
def test_acting_steps_are_spread_evenly(share, steps):
    assert [step for step in range(12) if is_act_step(step, share)] == steps
    assert sum(is_act_step(step, 0.7) for step in range(1000)) == 700


def test_acting_batches_have_a_size_of_their_own(recordings):
    acts = {"act_sampler": sampler(recordings, window=2), "act_share": 0.5, "act_size": 6}
    stream = Stream(sampler(recordings), seed=1, size=3, **acts)
    shapes = [tuple(batch.latents.shape[:2]) for _, (_, batch) in zip(range(2), stream, strict=False)]
    assert shapes == [(3, 4), (6, 2)]


def test_pictures_come_with_their_predecessors(recordings):
    now, before = PictureSampler([recordings], [np.array([0])]).draw((0,), 0, 8)
    frames = recordings.frames[:12]
    for picture, previous in zip(now.numpy(), before.numpy(), strict=True):
        places = [i for i in range(1, 12) if (frames[i] == picture).all() and (frames[i - 1] == previous).all()]
        assert places


def test_parts_of_pictures_come_with_the_same_parts_of_their_predecessors(recordings):
    parts = PictureSampler([recordings], [np.array([0])], crop=16)
    now, before = parts.draw((0,), 0, 8)
    assert now.shape == before.shape == (8, 16, 16, 3)
    torch.testing.assert_close(parts.draw((0,), 3, 2)[0], now[3:5])
    with pytest.raises(InputError, match="crop: found 4096, wanted at most the pictures'"):
        PictureSampler([recordings], [np.array([0])], crop=4096)


def test_half_of_the_parts_show_what_changed():
    pair = np.zeros((2, 64, 96, 3), np.uint8)
    pair[1, 50:52, 10:12] = 255
    parts = [choose_part(pair, 16, np.random.default_rng(seed)) for seed in range(200)]
    assert all(part.shape == (2, 16, 16, 3) for part in parts)
    showing = sum(bool(part.any()) for part in parts)
    assert 80 <= showing <= 130
    still = [choose_part(pair[:1].repeat(2, 0), 16, np.random.default_rng(seed)) for seed in range(5)]
    assert all(part.shape == (2, 16, 16, 3) for part in still)


def test_split_and_labels():
    train, held = split(100, 0.1)
    assert len(held) == 10
    assert not set(train) & set(held)
    assert [len(part) for part in split(10, 0.0)] == [10, 0]
    assert [len(part) for part in split(1, 0.5)] == [1, 0]
    assert [len(part) for part in split(5, 1.0)] == [0, 5]
    assert len(labelled(train, 0.1)) == 9
    assert set(labelled(train, 0.1)) <= set(labelled(train, 0.5))
    assert len(labelled(train, 0.0)) == 0


def test_windows_longer_than_every_episode_are_refused(recordings):
    with pytest.raises(InputError, match="no episode has 50 frames"):
        sampler(recordings, window=50)


def test_frames_that_are_not_encoded_are_refused(tmp_path):
    raw = load_recordings("dots", DotSource((12,)), tmp_path, 32, 32)
    with pytest.raises(InputError, match="dots: not encoded"):
        sampler(raw, episodes=(0,))


def keys(batch):
    """What tells windows apart: in the dot world, the places of the dot."""
    return [row.numpy().tobytes() for row in batch.state]


def batches_of(stream, steps, workers=0):
    """The first steps of a stream, which have to be in order, however many processes load."""
    loader = DataLoader(stream, batch_size=None, num_workers=workers)
    found = [item for _, item in zip(range(steps), enumerate(loader, stream.start), strict=False)]
    assert [step for step, (said, _) in found if said == step] == list(range(stream.start, stream.start + steps))
    return [batch for _, (_, batch) in found]


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_every_window_comes_once_per_epoch_on_any_number_of_ranks(recordings, ranks):
    """17 windows of 4 frames: 9 of 12 frames, 2 of 5, 6 of 9; batches of 1 cut an epoch anywhere."""
    streams = [Stream(sampler(recordings), 1, 1, rank=rank, ranks=ranks) for rank in range(ranks)]
    seen = [key for step in range(17) for stream in streams for key in keys(stream.batch(step))]
    for epoch in range(ranks):
        assert len(set(seen[17 * epoch : 17 * epoch + 17])) == 17
    assert seen[:17] != seen[17:34]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_processes_gives_the_same_batches(recordings, workers):
    streams = [
        Stream(
            sampler(recordings), 1, 3, start=5, act_sampler=sampler(recordings, window=2), act_share=1 / 3, act_size=6
        )
        for _ in range(2)
    ]
    alone, together = batches_of(streams[0], 7), batches_of(streams[1], 7, workers)
    for ours, theirs in zip(alone, together, strict=True):
        torch.testing.assert_close(ours.latents, theirs.latents, rtol=0, atol=0)
        torch.testing.assert_close(ours.actions, theirs.actions, rtol=0, atol=0)


def test_a_resumed_stream_goes_on_in_the_middle_of_an_epoch(recordings):
    whole = batches_of(Stream(sampler(recordings), 1, 3), 12)
    halves = batches_of(Stream(sampler(recordings), 1, 3), 4) + batches_of(
        Stream(sampler(recordings), 1, 3, start=4), 8
    )
    assert [keys(batch) for batch in whole] == [keys(batch) for batch in halves]


def test_acting_and_dreaming_windows_have_epochs_of_their_own(recordings):
    stream = Stream(sampler(recordings), 1, 1, act_sampler=sampler(recordings), act_share=1 / 3, act_size=1)
    seen = {acting: [] for acting in (True, False)}
    for step in range(51):
        seen[step % 3 == 2] += keys(stream.batch(step))
    assert len(set(seen[True])) == len(seen[True]) == 17
    assert len(set(seen[False][:17])) == len(set(seen[False][17:])) == 17


def test_a_mixture_of_two_bodies_keeps_its_weights(recordings, tmp_path):
    other = DotSource((10, 8), seed=9)
    other.embodiments = [replace(DOT, name="other")]
    for episode in other.episodes:
        episode.embodiment = "other"
    loaded = load_recordings("more", other, tmp_path, 32, 32)
    encode_recordings(loaded, Tokenizer(SMALL), tmp_path)
    mixed = WindowSampler(
        [recordings, loaded],
        [np.arange(3), np.arange(2)],
        window=4,
        chunk=3,
        action_size=3,
        state_size=2,
        bodies={"other": 0, "dot": 1},
        weights={"dots": 1.0, "more": 3.0},
        imitate=["more"],
    )
    stream = Stream(mixed, 1, 4)
    batches = [stream.batch(step) for step in range(16)]
    for batch in batches:
        assert batch.embodiment.bincount(minlength=2).tolist() == [3, 1]
        assert (batch.imitate == (batch.embodiment == 0)).all()
    rare = [key for batch in batches for key in keys(batch)[:1]]
    assert len(set(rare)) == 16
    often = [key for batch in batches for key in keys(batch)[1:]]
    for epoch in range(4):
        assert len(set(often[12 * epoch : 12 * epoch + 12])) == 12
