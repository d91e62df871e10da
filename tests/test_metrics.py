import json
import math

import numpy as np
import pytest

from worldmodel.metrics import (
    PERFECT_DB,
    FrameError,
    bootstrap_ci95,
    changed_mask,
    mean_known,
    psnr_db,
    r2_per_dim,
    roc_auc,
    wilson_ci95,
)


def grey(value: int, frames: int = 2) -> np.ndarray:
    return np.full((1, frames, 4, 4, 3), value, np.uint8)


def test_a_pixel_has_changed_when_one_channel_moves_more_than_6_percent() -> None:
    last = np.zeros((1, 4, 4, 3), np.uint8)
    frames = grey(0)
    frames[0, 0, 0, 0, 1] = 15  # 15 / 255 = 0.0588
    frames[0, 1, 2, 3, 2] = 16  # 16 / 255 = 0.0627
    mask = changed_mask(frames, last)
    assert mask.sum() == 1
    assert mask[0, 1, 2, 3]


def test_changed_mask_knows_the_sign_of_uint8() -> None:
    assert changed_mask(grey(0), np.full((1, 4, 4, 3), 255, np.uint8)).all()


def test_psnr_of_a_constant_error_is_its_closed_form() -> None:
    error = FrameError(2)
    error.add(grey(100), grey(151), np.ones((1, 2, 4, 4), bool))
    assert error.psnr_db == pytest.approx(-20 * math.log10(0.2))
    assert error.changed_psnr_db == pytest.approx(error.psnr_db)


def test_errors_are_pooled_before_the_logarithm() -> None:
    error = FrameError(1)
    everywhere = np.ones((1, 1, 4, 4), bool)
    error.add(grey(0, 1), grey(51, 1), everywhere)
    error.add(grey(0, 1), grey(0, 1), everywhere)
    assert error.mse == pytest.approx(0.2**2 / 2)
    assert error.psnr_db == pytest.approx(-10 * math.log10(0.02))


def test_horizons_are_kept_apart_and_changed_pixels_alone_count() -> None:
    true, predicted = grey(0), grey(0)
    predicted[0, 1, 0, 0] = 255
    predicted[0, 1, 1, 1] = 255
    changed = np.zeros((1, 2, 4, 4), bool)
    changed[0, 1, 0, :2] = True  # one wrong pixel of two
    error = FrameError(2)
    error.add(true, predicted, changed)
    rows = error.by_horizon()
    assert rows["psnr_db"] == pytest.approx([PERFECT_DB, -10 * math.log10(2 / 16)])
    assert rows["changed_psnr_db"] == [None, pytest.approx(-10 * math.log10(1 / 2))]


def test_perfect_and_empty_are_valid_json() -> None:
    error = FrameError(2)
    error.add(grey(7), grey(7), np.zeros((1, 2, 4, 4), bool))
    text = json.dumps(error.summary(), allow_nan=False)
    assert json.loads(text)["psnr_db"] == PERFECT_DB
    assert json.loads(text)["changed_psnr_db"] is None
    assert psnr_db(None) is None


def test_r2_is_one_for_equal_zero_for_the_mean_and_none_for_a_constant() -> None:
    true = np.stack((np.arange(6.0), np.arange(6.0), np.ones(6)), axis=1)
    predicted = np.stack((np.arange(6.0), np.full(6, 2.5), np.ones(6)), axis=1)
    values = r2_per_dim(true, predicted)
    assert values == [1.0, pytest.approx(0.0), None]
    assert mean_known(values) == pytest.approx(0.5)
    assert mean_known([None]) is None


def test_bootstrap_interval_holds_the_mean_and_repeats() -> None:
    values = np.random.default_rng(0).normal(3.0, 1.0, 100)
    low, high = bootstrap_ci95(values, seed=1)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 10, rel=0.1)
    assert bootstrap_ci95(values, seed=1) == [low, high]
    assert bootstrap_ci95([0.5], seed=1) == [0.5, 0.5]


def test_wilson_interval_has_the_textbook_values() -> None:
    assert wilson_ci95(10, 20) == pytest.approx([0.299, 0.701], abs=1e-3)
    assert wilson_ci95(0, 10) == pytest.approx([0.0, 0.2775], abs=1e-3)
    assert wilson_ci95(10, 10) == pytest.approx([0.7225, 1.0], abs=1e-3)


def test_area_under_the_curve():
    true = np.array([False, False, True, True])
    assert roc_auc(true, np.array([0.1, 0.2, 0.3, 0.4])) == 1.0
    assert roc_auc(true, np.array([0.4, 0.3, 0.2, 0.1])) == 0.0
    assert roc_auc(true, np.zeros(4)) == 0.5
    assert roc_auc(true, np.array([0.1, 0.3, 0.2, 0.4])) == 0.75
    assert roc_auc(true | True, np.zeros(4)) is None
