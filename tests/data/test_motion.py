"""Actions told by what the state did."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.dot_world import DotSource
from worldmodel.config import DatasetConfig
from worldmodel.data.cache import load_recordings
from worldmodel.data.embodiments import DROID_MOTION
from worldmodel.data.motion import Motion
from worldmodel.sources import open_source
from worldmodel.types import ActionDim, ActionSpec, InputError


def walking(unit: str = "m") -> DotSource:
    """One episode without actions, whose state goes 0, 3, 6, ... and another that stands still."""
    source = DotSource((5, 4))
    spec = ActionSpec((ActionDim("x", unit=unit), ActionDim("y", unit=unit)))
    source.embodiments = [replace(source.embodiments[0], action=spec)]
    states = [np.arange(10, dtype=np.float32).reshape(5, 2) * 1.5, np.zeros((4, 2), np.float32)]
    unknown = [np.zeros(len(state), bool) for state in states]
    source.episodes = [
        replace(e, state=s, action_mask=u) for e, s, u in zip(source.episodes, states, unknown, strict=True)
    ]
    return source


def test_an_action_is_how_far_the_state_moves_next():
    moved = Motion(walking())[0]
    np.testing.assert_array_equal(moved.actions, [[3, 3]] * 4 + [[0, 0]])
    assert moved.action_mask.tolist() == [True] * 4 + [False]
    assert moved.embodiment == "dot_motion"


def test_limits_are_what_was_seen_and_a_quarter_more():
    spec = Motion(walking()).embodiments[0].action
    assert [(d.name, d.low, d.high, d.unit) for d in spec.dims] == [
        ("delta_x", -3.75, 3.75, "m"),
        ("delta_y", -3.75, 3.75, "m"),
    ]


def test_what_never_moves_has_limits_too():
    source = walking()
    source.episodes = source.episodes[1:]
    assert Motion(source).embodiments[0].action.high.tolist() == [1.0, 1.0]


def test_angles_go_the_shorter_way():
    source = walking("rad")
    state = source.episodes[0].state
    assert state is not None
    state[:] = np.array([[3.0, 0.1], [-3.0, 6.2], [-3.0, 6.2], [3.0, 0.1], [3.0, 0.1]])
    moved = Motion(source)[0].actions
    turn = 2 * math.pi
    np.testing.assert_allclose(moved[[0, 2]], [[turn - 6, 6.1 - turn], [6 - turn, turn - 6.1]], atol=1e-5)


def test_the_shortest_episode_has_no_known_action():
    source = walking()
    source.episodes = [
        replace(e, frames={k: v[:1] for k, v in e.frames.items()}, actions=e.actions[:1], **first)
        for e in source.episodes
        if e.state is not None
        for first in [{"action_mask": e.action_mask[:1], "state": e.state[:1], "reward": None, "success": None}]
    ]
    moved = Motion(source)[0]
    assert (moved.actions.tolist(), moved.action_mask.tolist()) == ([[0, 0]], [False])


def test_recordings_without_state_are_refused():
    source = walking()
    source.episodes[0] = replace(source.episodes[0], state=None)
    with pytest.raises(InputError, match=r"episode 0: has no state, wanted one where actions are told by its motion"):
        Motion(source)[0]
    source.embodiments = [replace(source.embodiments[0], state_low=[], state_high=[], state_points=[])]
    with pytest.raises(InputError, match=r"has no state, wanted one where actions are told by its motion"):
        Motion(source)


def test_a_body_must_fit():
    with pytest.raises(InputError, match=r"2 actions, 2 state numbers, wanted 7 and 7 for droid_motion"):
        Motion(walking(), DROID_MOTION.name)


def test_the_setting_reaches_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("worldmodel.sources.open_dataset", lambda path, **options: walking())
    known = []
    for actions in ("recorded", "motion"):
        source = open_source(DatasetConfig(actions=actions), "dots")
        recordings = load_recordings("dots", source, tmp_path, 32, 32, workers=1)
        known.append(int(recordings.action_mask[:].sum()))
    assert known == [0, 7]
    with pytest.raises(InputError, match=r"actions: found 'moved', wanted 'recorded' or 'motion'"):
        DatasetConfig(actions="moved")
