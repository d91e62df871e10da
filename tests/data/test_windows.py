import h5py
import numpy as np
import pytest
import torch

from tests.dot_world import DotSource
from worldmodel.data.cache import encode_recordings, load_recordings
from worldmodel.data.windows import PictureSampler, Stream, WindowSampler, labelled, split
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
    batch = sampler(recordings).draw(np.random.default_rng(0), 64)
    assert batch.latents.shape == (64, 4, 4, 4, 4)
    assert batch.actions.shape == (64, 6, 3)
    torch.testing.assert_close(batch.actions[:, :3, :2], batch.state[:, 1:])
    assert (batch.actions[..., 2] == 0).all()


def test_actions_beyond_an_episode_are_masked(recordings):
    batch = sampler(recordings, episodes=(1,)).draw(np.random.default_rng(0), 64)
    masks = {tuple(row.tolist()) for row in batch.action_mask}
    assert masks == {(True, True, True, True, False, False), (True, True, True, False, False, False)}


def test_unlabelled_episodes_hide_their_actions(recordings):
    batch = sampler(recordings, known=[np.array([0])]).draw(np.random.default_rng(0), 200)
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
    stream = Stream(ours, seed=1, size=3, act_sampler=others, act_every=3)
    imitated = [batch.imitate.all().item() for _, (_, batch) in zip(range(6), stream, strict=False)]
    assert imitated == [True, True, False, True, True, False]


def test_shorter_acting_windows_come_in_larger_batches(recordings):
    stream = Stream(sampler(recordings), seed=1, size=3, act_sampler=sampler(recordings, window=2), act_every=2)
    shapes = [tuple(batch.latents.shape[:2]) for _, (_, batch) in zip(range(2), stream, strict=False)]
    assert shapes == [(3, 4), (6, 2)]


def test_pictures_come_with_their_predecessors(recordings):
    now, before = PictureSampler([recordings], [np.array([0])]).draw(np.random.default_rng(0), 8)
    frames = recordings.frames[:12]
    for picture, previous in zip(now.numpy(), before.numpy(), strict=True):
        places = [i for i in range(1, 12) if (frames[i] == picture).all() and (frames[i - 1] == previous).all()]
        assert places


def test_cache_is_built_once_and_again_when_its_key_changes(tmp_path):
    source = DotSource((8, 8))
    files = lambda: sorted(path.name for path in tmp_path.glob("*.hdf5"))  # noqa: E731
    first = load_recordings("dots", source, tmp_path, 32, 32)
    encode_recordings(first, Tokenizer(SMALL), tmp_path)
    assert len(files()) == 2
    load_recordings("dots", source, tmp_path, 32, 32)
    assert len(files()) == 2
    load_recordings("dots", source, tmp_path, 16, 16)
    torch.manual_seed(1)
    encode_recordings(first, Tokenizer(SMALL), tmp_path)
    assert len(files()) == 4
    assert not any("partial" in name for name in files())


def test_an_interrupted_cache_is_built_anew(tmp_path):
    source = DotSource((8, 8))
    loaded = load_recordings("dots", source, tmp_path, 32, 32)
    name = loaded.frames.file.filename
    loaded.frames.file.close()
    with h5py.File(name, "r") as file:
        assert len(file["frames"]) == 16
    assert load_recordings("dots", source, tmp_path, 32, 32).episodes == 2


def test_split_and_labels():
    train, held = split(100, 0.1)
    assert len(held) == 10
    assert not set(train) & set(held)
    assert [len(part) for part in split(10, 0.0)] == [10, 0]
    assert [len(part) for part in split(1, 0.5)] == [1, 0]
    assert len(labelled(train, 0.1)) == 9
    assert set(labelled(train, 0.1)) <= set(labelled(train, 0.5))
    assert len(labelled(train, 0.0)) == 0


def test_windows_longer_than_every_episode_are_refused(recordings):
    with pytest.raises(InputError, match="no episode has 50 frames"):
        sampler(recordings, window=50)
