import numpy as np
import pytest

from worldmodel.data.order import Order, apportion, shares_of, shuffled
from worldmodel.types import InputError


@pytest.mark.parametrize("count", [1, 2, 3, 5, 16, 17, 1000])
def test_a_shuffle_holds_every_entry_once(count):
    entries = shuffled(np.arange(count), count, (3, 1))
    assert sorted(entries) == list(range(count))
    np.testing.assert_array_equal(shuffled(np.arange(count)[::2], count, (3, 1)), entries[::2])


def test_shuffles_put_every_entry_anywhere_equally_often():
    places = np.array([shuffled(np.arange(5), 5, (seed,)) for seed in range(2000)])
    counts = np.array([np.bincount(column, minlength=5) for column in places.T])
    assert np.abs(counts - 400).max() < 5 * np.sqrt(2000 * 0.2 * 0.8)
    long = shuffled(np.arange(1000), 1000, (0,))
    assert abs(np.corrcoef(np.arange(1000), long)[0, 1]) < 0.15
    assert abs(np.corrcoef(long[:-1], long[1:])[0, 1]) < 0.15


def test_an_epoch_of_a_mixture_without_weights_is_an_epoch_of_each_part():
    counts = (7, 1, 31)
    shares = shares_of("abc", counts, None)
    for epochs in range(4):
        assert apportion(shares, epochs * 39).tolist() == [epochs * count for count in counts]


@pytest.mark.parametrize("weights", [(1.0, 3.0), (0.5, 0.2, 0.3), (0.0, 1.0), (1e-3, 1.0, 1.0, 1.0)])
def test_weights_hold_at_every_moment(weights):
    shares = np.array(weights) / sum(weights)
    given = np.array([apportion(shares, total) for total in range(3000)])
    assert (given.sum(1) == np.arange(3000)).all()
    assert np.diff(given, axis=0).min() == 0
    assert np.abs(given - np.arange(3000)[:, None] * shares).max() <= 1.5


def test_every_window_comes_once_per_epoch_wherever_the_batches_are_cut():
    order = Order((10, 4), shares_of("ab", (10, 4), {"a": 1.0, "b": 1.0}))
    taken = [[], []]
    for first in range(0, 42, 3):
        for dataset, windows in order.take((5,), first, 3):
            taken[dataset] += windows.tolist()
    assert [len(part) for part in taken] == [21, 21]
    assert sorted(taken[0][:10]) == sorted(taken[0][10:20]) == list(range(10))
    assert taken[0][:10] != taken[0][10:20]
    for epoch in range(5):
        assert sorted(taken[1][4 * epoch : 4 * epoch + 4]) == list(range(4))


@pytest.mark.parametrize("weights", [{"a": -1.0, "b": 2.0}, {"a": float("nan")}, {"b": float("inf")}])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(InputError, match="wanted finite numbers from 0 on"):
        shares_of("ab", (1, 1), weights)


def test_a_mixture_without_windows_is_refused():
    with pytest.raises(InputError, match="a, b: found no window with a weight above 0"):
        shares_of("ab", (5, 0), {"b": 1.0})
