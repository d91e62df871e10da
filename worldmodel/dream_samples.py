"""What an evaluation gives to the report beside its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8


@dataclass
class DreamSample:
    """One window, to be looked at.

    Attributes:
        label: which episode and frame.
        fps: frames per second.
        real: context and true future.
        dreamed: future from the true actions.
        shuffled: future from another episode's actions, or None.
        joint: one future that the model made up together with its actions, or None.
    """

    label: str
    fps: float
    real: UInt8[np.ndarray, "t h w 3"]
    dreamed: UInt8[np.ndarray, "k h w 3"]
    shuffled: UInt8[np.ndarray, "k h w 3"] | None
    joint: UInt8[np.ndarray, "k h w 3"] | None


@dataclass
class DreamSamples:
    """What the report shows beside the numbers.

    Attributes:
        action_names: one per action dimension; none where recordings have no actions.
        windows: spread evenly over those measured, not picked.
        recorded: actions of all windows, in their own units.
        inferred: the same, read from real frames.
        commanded: actions given to the dreams.
        obeyed: the same, read from the dreamed frames.
    """

    action_names: Sequence[str]
    windows: list[DreamSample]
    recorded: Float32[np.ndarray, "n a"]
    inferred: Float32[np.ndarray, "n a"]
    commanded: Float32[np.ndarray, "m a"]
    obeyed: Float32[np.ndarray, "m a"]
