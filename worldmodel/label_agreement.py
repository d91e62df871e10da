"""What inferred actions are worth: how well they agree with those that were recorded, and where the model was sure."""

from typing import Any

import numpy as np

from worldmodel.label import agree
from worldmodel.metrics import mean_known, r2_per_dim
from worldmodel.screen.events import score_events
from worldmodel.types import EpisodeSource, InputError

SURE = 0.99
"""Confidence from which on the model counts as sure: all draws agree."""


def compare_labels(recorded: EpisodeSource, labelled: EpisodeSource) -> dict[str, Any] | None:
    """Compares the labels of recordings with the actions that they have.

    Args:
        recorded: with known actions.
        labelled: the same episodes, with actions inferred and their confidence.

    Returns:
        ``r2`` of all numbers and ``r2_per_dim``; ``events`` (`worldmodel.screen.events`); the share of actions that are
        ``right`` (`worldmodel.label.agree`), among those that the model is sure of (``right_when_sure``) and among the
        others (``right_otherwise``), and how many it is sure of (``sure``). None where no action was recorded.

    Raises:
        InputError: the episodes are not the same ones.
    """
    spec, body = labelled.embodiments[0].action, labelled.embodiments[0].name
    if len(recorded) != len(labelled):
        raise InputError(f"{labelled.path}: {len(labelled)} episodes, wanted the {len(recorded)} of {recorded.path}")
    if body not in [recorded_body.name for recorded_body in recorded.embodiments]:
        return None
    pairs, confidence = [], []
    for index in range(len(recorded)):
        truth = recorded[index]
        if truth.embodiment != body or not truth.action_mask[:-1].any():
            continue
        told, known = labelled[index], truth.action_mask[:-1]
        pairs.append((truth.actions[:-1][known], told.actions[:-1][known]))
        assert told.confidence is not None
        confidence.append(told.confidence[:-1][known])
    if not pairs:
        return None
    true, told = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    right, sure = agree(spec, true, told), np.concatenate(confidence) >= SURE
    r2 = r2_per_dim(true, told)
    return {
        "r2": mean_known(r2),
        "r2_per_dim": dict(zip(spec.names, r2, strict=True)),
        "events": score_events(spec, pairs),
        "right": float(right.mean()),
        "right_when_sure": float(right[sure].mean()) if sure.any() else None,
        "right_otherwise": float(right[~sure].mean()) if not sure.all() else None,
        "sure": float(sure.mean()),
        "actions": len(right),
    }
