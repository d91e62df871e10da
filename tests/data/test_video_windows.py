import itertools

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from tests.dot_world import DotSource
from worldmodel.data.cache import load_recordings
from worldmodel.data.video_windows import VideoWindows, usable_lengths
from worldmodel.data.windows import WindowSampler, WindowShape
from worldmodel.types import InputError

LENGTHS = (12, 5, 9, 3, 7)  # 9, 2, 6, 0 and 4 windows of 4 frames
SHAPE = WindowShape(4, 3, 3, 2, {"dot": 0})


def stream(source=None, lengths=LENGTHS, **options):
    options = {"seed": 1, "size": 1, "buffer": 16} | options
    return VideoWindows(source or DotSource(LENGTHS), lengths, SHAPE, 32, 32, **options)


def take(windows, steps, workers=0):
    loader = DataLoader(windows, batch_size=None, num_workers=workers)
    return [item for _, item in zip(range(steps), loader, strict=False)]


def keys(items):
    return [row.numpy().tobytes() for _, batch in items for row in batch.state]


class Counting(DotSource):
    """Counts how often every episode is read."""

    def __init__(self, lengths):
        super().__init__(lengths)
        self.reads = [0] * len(lengths)

    def __getitem__(self, index):
        self.reads[index] += 1
        return super().__getitem__(index)


def test_windows_are_those_of_the_cache(tmp_path):
    cached = load_recordings("dots", DotSource(LENGTHS), tmp_path, 32, 32)
    options = {"window": 4, "chunk": 3, "action_size": 3, "state_size": 2, "bodies": {"dot": 0}}
    sampler = WindowSampler([cached], [np.arange(5)], frames=True, latents=False, **options)
    batch, ((_, ours),) = sampler.draw((0,), 0, 21), take(stream(size=21), 1)
    for name in ("frames", "actions", "action_mask", "state", "reward", "success", "imitate", "embodiment"):
        rows = [sorted(row.numpy().tobytes() for row in getattr(each, name)) for each in (batch, ours)]
        assert rows[0] == rows[1], name


def test_episodes_are_decoded_once_per_epoch():
    source = Counting(LENGTHS)
    for epochs in (1, 2):
        source.reads = [0] * 5
        assert len(set(keys(take(stream(source), 21 * epochs)))) == 21
        assert source.reads == [epochs, epochs, epochs, 0, epochs]


@pytest.mark.parametrize(("ranks", "workers"), itertools.product((1, 2, 3), (1, 2, 3)))
def test_every_window_comes_once_per_epoch(ranks, workers):
    """Of every shard, exactly the windows of its blocks of the first epoch are taken."""
    planned = [0] * (ranks * workers)
    for number, (epoch, block) in enumerate(stream().blocks()):
        if epoch:
            break
        planned[number % len(planned)] += int(stream().counts[block].sum())
    seen = []
    for rank in range(ranks):
        items = take(stream(rank=rank, ranks=ranks), workers * max(planned), workers)
        assert [step for step, _ in items] == list(range(len(items)))
        for worker in range(workers):
            seen += keys(items[worker::workers][: planned[rank + ranks * worker]])
    assert len(seen) == len(set(seen)) == 21


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_stream_goes_on_exactly(workers):
    whole, later = take(stream(size=3), 17, workers), take(stream(size=3, start=9), 8, workers)
    assert [step for step, _ in later] == list(range(9, 17))
    for (_, ours), (_, theirs) in zip(whole[9:], later, strict=True):
        torch.testing.assert_close(ours.frames, theirs.frames, rtol=0, atol=0)
        torch.testing.assert_close(ours.actions, theirs.actions, rtol=0, atol=0)


def test_blocks_hold_no_more_frames_than_allowed():
    for _, (_, block) in zip(range(20), stream(buffer=16).blocks(), strict=False):
        assert stream().lengths[block].sum() <= 16
    assert all(len(block) == 1 for _, (_, block) in zip(range(20), stream(buffer=1).blocks(), strict=False))


def test_lengths_are_those_of_episodes_that_can_be_used():
    source = DotSource(LENGTHS)
    source.episodes[2].actions[0] = np.nan
    assert usable_lengths(source).tolist() == [12, 5, 0, 3, 7]
    with pytest.raises(InputError, match="unreadable: dots: episode 2"):
        take(stream(source), 21)


def test_lengths_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="2 lengths, wanted one per episode, 5"):
        stream(lengths=(4, 5))
    with pytest.raises(InputError, match="no episode has 4 frames"):
        stream(lengths=(3, 2, 1, 0, 3))
    with pytest.raises(InputError, match="12 frames in episode 0, wanted 13"):
        take(stream(lengths=(13, 5, 9, 3, 7)), 21)
