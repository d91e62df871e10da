"""Which events pictures show."""

import numpy as np

from tests.screen.button_world import LEFT, SCREEN, make_episode
from worldmodel.screen.traces import Traces


def traces_of(frames: np.ndarray, actions: np.ndarray) -> dict[str, float | None]:
    traces = Traces()
    traces.add(SCREEN.action, frames, actions, actions[:, :2])
    return traces.summary()


def episode() -> tuple[np.ndarray, np.ndarray]:
    made = make_episode(0)
    return np.asarray(made.frames["screen"]), made.actions[:-1]


def test_a_press_is_shown_where_something_answers() -> None:
    frames, actions = episode()
    presses = np.flatnonzero(actions[:, LEFT])
    assert traces_of(frames, actions)["left"] == np.mean(np.arange(len(presses)) % 2), "every other is on the box"


def test_the_pointer_itself_is_no_trace() -> None:
    frames, actions = episode()
    beside = actions.copy()
    beside[:, LEFT] = 0.0
    beside[3, LEFT] = 1.0  # the pointer moves in every tick
    assert traces_of(frames, beside)["left"] == 0.0


def test_a_late_answer_counts_and_a_later_one_does_not() -> None:
    frames, actions = episode()
    still, press = np.repeat(frames[:1], 12, 0), np.zeros((11, actions.shape[1]), np.float32)
    press[:, :2] = actions[0, :2]
    press[4, LEFT] = 1.0
    for first, shown in ((5, 1.0), (6, 1.0), (7, 0.0)):
        answered = still.copy()
        answered[first:, :4, :4] = 0
        assert traces_of(answered, press)["left"] == shown


def test_what_did_not_happen_and_what_a_recording_begins_with_have_no_share() -> None:
    frames, actions = episode()
    early = np.zeros_like(actions)
    early[0, LEFT] = 1.0
    assert set(traces_of(frames, early).values()) == {None}
