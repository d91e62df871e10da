"""Measures of agreement against values worked out by hand."""

import numpy as np
import pytest

from worldmodel.agreement import agreement, mmrv


def test_perfect_agreement() -> None:
    found = agreement([0.0, 0.2, 0.9], [0.0, 0.2, 0.9])
    assert found == {"pearson": pytest.approx(1), "spearman": pytest.approx(1), "mmrv": 0.0, "optimism_gap": 0.0}


def test_a_kind_dream_that_ranks_well() -> None:
    found = agreement([0.0, 0.1, 0.2, 0.4], [0.1, 0.3, 0.7, 0.9])
    assert found["spearman"] == pytest.approx(1)
    assert 0.9 < found["pearson"] < 1
    assert found["optimism_gap"] == pytest.approx(0.325)
    assert found["mmrv"] == 0.0


def test_equal_values_share_their_ranks() -> None:
    # Ranks 1.5 1.5 3 4 against 1 2 3 4.
    assert agreement([0.0, 0.0, 1.0, 2.0], [0.0, 1.0, 2.0, 3.0])["spearman"] == pytest.approx(4.5 / np.sqrt(4.5 * 5))


def test_rank_violations_cost_what_was_lost() -> None:
    # The dream swaps the first two (0.1 apart); the third keeps its place.
    assert mmrv(np.array([0.1, 0.2, 0.9]), np.array([0.5, 0.4, 0.8])) == pytest.approx((0.1 + 0.1 + 0) / 3)
    # The other way round everywhere: each loses the most that it can.
    assert mmrv(np.array([0.0, 0.5, 1.0]), np.array([1.0, 0.5, 0.0])) == pytest.approx((1 + 0.5 + 1) / 3)


def test_without_differences_there_is_no_correlation() -> None:
    found = agreement([0.0, 0.0], [0.0, 1.0])
    assert found["pearson"] is None
    assert found["spearman"] is None
    assert found["optimism_gap"] == 0.5


def test_one_policy() -> None:
    assert agreement([0.5], [0.7])["pearson"] is None
