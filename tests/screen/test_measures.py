"""Measures of dreamed screens, on models whose faults are known."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.dot_world import DotModel, DotSource
from tests.screen.button_world import ButtonModel, ButtonSource, DeadModel, NervousModel, make_episode
from worldmodel.screen.measures import evaluate_screen
from worldmodel.screen.moments import NOTHING, SETTLED, choose_moments
from worldmodel.screen.transitions import LEAST_PX, differs, visibly_differs
from worldmodel.types import InputError

OPTIONS: dict[str, Any] = {"max_windows": 12, "batch": 4}


def test_who_knows_the_screen_makes_no_error() -> None:
    measures = evaluate_screen(ButtonModel(), ButtonSource(), **OPTIONS)
    for name in ("", "ceiling"):
        pointer = measures["pointer"][name] if name else measures["pointer"]
        assert (pointer["median_px"], pointer["p95_px"], pointer["missing"]) == (0.0, 0.0, 0.0)
    assert measures["pointer"]["copy_last"]["median_px"] > 5
    assert measures["pointer"]["by_horizon"]["median_px"] == [0.0] * 16
    transitions = measures["transitions"]
    assert (transitions["accuracy"], transitions["ceiling"], transitions["count"]) == (1.0, 1.0, 12.0)
    assert 0 < transitions["happened"] < 0.5, "presses beside the box change nothing"
    assert transitions["majority"] == 1.0 - transitions["happened"]
    by_kind, controls = transitions["by_kind"], transitions["controls"]
    assert {kind: told["happened"] for kind, told in by_kind.items()} == {
        "button": 1.0,
        "elsewhere": 0.0,
        "nothing": 0.0,
    }
    assert (controls["accuracy"], controls["ceiling"], controls["majority"]) == (1.0, 1.0, 0.5)
    assert controls["count"] == 2 * by_kind["button"]["count"]
    events = measures["events"]
    assert events["pointer_r2"] == pytest.approx(1.0)
    assert events["left"]["precision"] == 1.0
    assert events["left"]["recall"] == pytest.approx(0.5, abs=0.1), "presses beside the box show nothing"
    assert events["left"]["shown"] == events["left"]["recall"]
    assert events["key"]["shown"] is None, "there are none"


def test_what_is_pressed_is_only_known_from_raw_events() -> None:
    source = ButtonSource()
    unnamed = [{"tick": event["tick"], "kind": "press", "button": "left"} for event in source[0].events or []]
    source.episodes = [
        replace(episode, events=kept) for episode, kept in zip(source.episodes, [None, unnamed] * 2, strict=True)
    ]
    transitions = evaluate_screen(ButtonModel(), source, **OPTIONS)["transitions"]
    assert set(transitions["by_kind"]) == {"press", "nothing"}
    assert transitions["controls"] == {
        "accuracy": None,
        "majority": None,
        "happened": None,
        "count": 0.0,
        "ceiling": None,
    }


def test_a_screen_that_never_answers_is_as_good_as_the_majority() -> None:
    transitions = evaluate_screen(DeadModel(), ButtonSource(), **OPTIONS)["transitions"]
    assert transitions["accuracy"] == transitions["majority"]
    assert transitions["ceiling"] == 1.0, "its tokenizer keeps everything"


def test_a_screen_that_always_changes_is_wrong_where_nothing_happens() -> None:
    measures = evaluate_screen(NervousModel(), ButtonSource(), **OPTIONS)
    assert measures["transitions"]["accuracy"] <= measures["transitions"]["happened"]
    assert measures["pointer"]["missing"] == 1.0
    assert measures["pointer"]["median_px"] is None


def test_the_grain_of_a_tokenizer_is_no_transition() -> None:
    grey = np.full((16, 16, 3), 128, np.uint8)
    grain, box = grey.copy(), grey.copy()
    grain[::2, 1::2], grain[1::2, ::2] = 178, 78
    box[4:10, 4:10] = 70
    assert differs(grain, grey).sum() == 128
    assert not visibly_differs(grain, grey).any()
    assert visibly_differs(box, grey).sum() >= LEAST_PX


def test_moments_are_chosen_evenly_and_again() -> None:
    options: dict[str, Any] = {"context": 4, "count": 10, "frame_size": (64, 96), "embodiment": "screen", "seed": 3}
    moments, again = (choose_moments(ButtonSource(), **options) for _ in range(2))
    assert len(moments) == 10
    for one, other in zip(moments, again, strict=True):
        assert np.array_equal(one.frames, other.frames)
        assert (one.frames.shape, one.actions.shape) == ((4 + SETTLED, 64, 96, 3), (3 + SETTLED, 11))
    pressed = [moment.actions[3, 2] for moment in moments]
    assert sum(pressed) == 5
    assert all(not moment.actions[:, 2].any() for moment, down in zip(moments, pressed, strict=True) if not down)


@pytest.mark.parametrize(("count", "presses"), [(1, 1), (2, 1), (3, 2)])
def test_an_odd_moment_is_a_press(count: int, presses: int) -> None:
    moments = choose_moments(ButtonSource(), context=4, count=count, frame_size=(64, 96), embodiment="screen")
    assert [moment.kind != NOTHING for moment in moments] == [True] * presses + [False] * (count - presses)


def test_recordings_without_a_press_or_a_pointer_are_refused() -> None:
    source = ButtonSource(1)
    still = make_episode(0)
    source.episodes = [replace(still, actions=still.actions * (np.arange(11) != 2))]
    with pytest.raises(InputError, match="no press of a button with 4 frames before and 5 after it"):
        evaluate_screen(ButtonModel(), source, **OPTIONS)
    with pytest.raises(InputError, match="'dot' has no pointer with a left button"):
        evaluate_screen(DotModel(), DotSource(), **OPTIONS)
