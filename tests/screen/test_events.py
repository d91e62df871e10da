"""Events in actions, and how well they agree."""

import numpy as np
import pytest

from worldmodel.data.screen import KEYS, SCREEN
from worldmodel.screen.events import EventScore, events_in, score_events

NAMES = SCREEN.action.names


def actions(ticks: int = 12, **values: dict[int, float]) -> np.ndarray:
    result = np.zeros((ticks, len(NAMES)), np.float32)
    for name, at in values.items():
        for tick, value in at.items():
            result[tick, NAMES.index(name)] = value
    return result


def test_events_are_what_begins_in_a_tick() -> None:
    key = float(KEYS.index("a"))
    found = events_in(
        SCREEN.action,
        actions(left={0: 1, 1: 1, 4: 1}, key={2: key, 3: key}, scroll_y={5: -2, 6: 0.2}, pointer_x={7: 80}),
    )
    assert found["left"] == {0: 1.0, 4: 1.0}
    assert found["key"] == {2: key, 3: key}
    assert found["scroll_y"] == {5: -1.0}
    assert found["shift"] == {}
    assert "pointer_x" not in found


@pytest.mark.parametrize(
    ("true", "told", "right"),
    [
        ({3: 1.0}, {4: 1.0}, 1),
        ({3: 1.0}, {5: 1.0}, 0),
        ({3: 1.0}, {2: 1.0, 3: 1.0, 4: 1.0}, 1),
        ({3: 1.0, 4: 1.0}, {3: 1.0, 4: 1.0}, 2),
        ({3: 1.0, 4: 1.0}, {4: 1.0, 5: 1.0}, 2),
        ({3: 7.0}, {3: 8.0}, 0),
        ({}, {1: 1.0}, 0),
    ],
)
def test_an_event_answers_for_one_near_it(true: dict[int, float], told: dict[int, float], right: int) -> None:
    score = EventScore()
    score.add(true, told)
    assert (score.true, score.told, score.right) == (len(true), len(told), right)


def test_scores_add_up_over_recordings() -> None:
    pairs = [(actions(left={2: 1, 8: 1}), actions(left={2: 1})), (actions(left={5: 1}), actions(left={1: 1, 5: 1}))]
    scores = score_events(SCREEN.action, pairs)
    assert scores["left"] == {"f1": 4 / 6, "precision": 2 / 3, "recall": 2 / 3, "count": 3.0}
    assert scores["key"] == {"f1": None, "precision": None, "recall": None, "count": 0.0}
