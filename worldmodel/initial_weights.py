"""Weights that a run begins with, whose bodies need not be those of the run."""

from collections.abc import Mapping
from typing import Any

from worldmodel import checkpoint
from worldmodel.models.bodies import tables_of_bodies
from worldmodel.models.world_model import WorldModel


def shape_of(name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """What a configuration says under ``model`` to have the shape of a checkpoint.

    Args:
        name: of the checkpoint, see `worldmodel.checkpoint.find`.
        changes: values that are to differ, nested in the same way.

    Raises:
        InputError: there is no such checkpoint.
    """
    shape = checkpoint.read_json(checkpoint.find(name))["model"]
    if shape["tokenizer"].get("architecture"):
        del shape["tokenizer"]  # comes with the weights
    return _changed(shape, changes)


def _changed(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    nested = {
        key: _changed(values[key], change)
        for key, change in changes.items()
        if isinstance(change, dict) and isinstance(values.get(key), dict)
    }
    return {**values, **changes, **nested}


def begin_with(model: WorldModel, first: WorldModel) -> list[str]:
    """Puts the weights of ``first`` into a model of the same shape.

    What all bodies share is taken as it is; what a body has of its own is taken by the body's name, whatever the order.
    Bodies that ``first`` does not know keep the values that they start from, and so do those whose tables have another
    size there: they are as wide as the longest action and state of all bodies. So does what is new altogether, such as
    the clock of large steps.

    Returns:
        Names of the bodies that start anew.
    """
    state, known = model.state_dict(), {body.name: row for row, body in enumerate(first.embodiments)}
    given = {name: value for name, value in first.state_dict().items() if name in state}
    own = tables_of_bodies(model) & given.keys()
    fits = all(given[name].shape[1:] == state[name].shape[1:] for name in own)
    fresh = [body.name for body in model.embodiments if not fits or body.name not in known]
    for name, value in given.items():
        if name not in own:
            state[name] = value
            continue
        for row, body in enumerate(model.embodiments):
            if body.name not in fresh:
                state[name][row] = value[known[body.name]]
    model.load_state_dict(state)
    return fresh
