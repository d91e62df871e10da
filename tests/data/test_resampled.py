"""Video at a lower rate."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.dot_world import DotSource
from worldmodel.config import DatasetConfig
from worldmodel.data.cache import load_recordings
from worldmodel.data.resampled import Resampled
from worldmodel.sources import open_source
from worldmodel.types import InputError


def silent() -> DotSource:
    source = DotSource((31, 8))
    source.episodes = [replace(e, action_mask=np.zeros(len(e), bool)) for e in source.episodes]
    return source


def test_every_third_picture_is_left():
    source = silent()
    slow = Resampled(source, 3.0)  # recorded at 10
    assert (len(slow), len(slow[0]), len(slow[1])) == (2, 11, 3)
    assert slow[0].fps == pytest.approx(10 / 3)
    np.testing.assert_array_equal(slow[0].frames["top"], source[0].frames["top"][::3])
    np.testing.assert_array_equal(slow[0].state, source[0].state[::3])


def test_nothing_is_made_up_for_a_higher_rate():
    assert len(Resampled(silent(), 30.0)[0]) == 31


def test_raw_events_stay_with_the_ticks_that_they_belong_to():
    source = silent()
    source.episodes = [replace(e, events=[{"tick": 4}]) for e in source.episodes]
    assert Resampled(source, 30.0)[0].events == [{"tick": 4}]
    assert Resampled(source, 3.0)[0].events is None


def test_known_actions_and_odd_rates_are_refused():
    with pytest.raises(InputError, match=r"episode 0: has actions, wanted none where pictures are left out \(fps 5\)"):
        Resampled(DotSource(), 5.0)[0]
    with pytest.raises(InputError, match=r"fps: found 0\.0, wanted a positive rate"):
        Resampled(silent(), 0.0)


def test_the_setting_reaches_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("worldmodel.sources.open_dataset", lambda path, **options: silent())
    for fps, frames in ((None, 39), (5.0, 20)):
        source = open_source(DatasetConfig(fps=fps), "dots")
        assert len(load_recordings("dots", source, tmp_path, 32, 32, workers=1).frames) == frames
