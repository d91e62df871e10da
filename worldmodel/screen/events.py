"""Events in actions tick by tick: a button or key goes down, a key is typed, the wheel turns; and their agreement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from worldmodel.types import ActionSpec

TOLERANCE = 1
"""Ticks by which an event that was told may be early or late."""
TURNED = 0.5  # notches from which on the wheel counts as turned


def events_in(spec: ActionSpec, actions: Float32[np.ndarray, "t a"]) -> dict[str, dict[int, float]]:
    """Returns, for every dimension that is no place, the ticks at which something happens, and what.

    Binary ones (buttons, modifiers): the ticks in which they go down, 1. Categorical ones (keys): the ticks in which
    they are not at their lowest, and their value. Continuous ones (wheel): the ticks in which they are not near 0, and
    the sign.
    """
    places = {index for point in spec.points for index in point}
    found: dict[str, dict[int, float]] = {}
    for index, dim in enumerate(spec.dims):
        if index in places:
            continue
        values = actions[:, index]
        if dim.kind == "binary":
            down = values > (dim.low + dim.high) / 2
            found[dim.name] = dict.fromkeys(np.flatnonzero(down & ~_before(down)).tolist(), 1.0)
        elif dim.kind == "categorical":
            found[dim.name] = {int(tick): float(values[tick]) for tick in np.flatnonzero(values > dim.low)}
        else:
            turned = np.flatnonzero(np.abs(values) > TURNED)
            found[dim.name] = {int(tick): float(np.sign(values[tick])) for tick in turned}
    return found


def _before(down: Bool[np.ndarray, "t"]) -> Bool[np.ndarray, "t"]:
    return np.concatenate([[False], down[:-1]])


@dataclass
class EventScore:
    """How many events of a kind there were, how many were told, and how many of these are right."""

    true: int = 0
    told: int = 0
    right: int = 0

    def add(self, true: Mapping[int, float], told: Mapping[int, float], tolerance: int = TOLERANCE) -> None:
        """Counts the events of a recording; each that was told answers for one true event, of the same value."""
        self.true += len(true)
        self.told += len(told)
        open_events = dict(true)
        for tick, value in sorted(told.items()):
            near = [t for t, v in open_events.items() if abs(t - tick) <= tolerance and v == value]
            if near:  # the earliest, which the next one that was told could not answer for any more
                del open_events[min(near)]
                self.right += 1

    def summary(self) -> dict[str, float | None]:
        """Precision, recall and F1; None where there is nothing to count."""
        return {
            "f1": 2 * self.right / (self.true + self.told) if self.true + self.told else None,
            "precision": self.right / self.told if self.told else None,
            "recall": self.right / self.true if self.true else None,
            "count": float(self.true),
        }


def score_events(
    spec: ActionSpec, pairs: Sequence[tuple[Float32[np.ndarray, "_ a"], Float32[np.ndarray, "_ a"]]]
) -> dict[str, dict[str, float | None]]:
    """Compares true actions with those that were told, recording by recording, for every kind of event."""
    scores: dict[str, EventScore] = {}
    for true, told in pairs:
        told_events = events_in(spec, told)
        for name, events in events_in(spec, true).items():
            scores.setdefault(name, EventScore()).add(events, told_events[name])
    return {name: score.summary() for name, score in scores.items()}
