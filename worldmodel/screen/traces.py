"""Which events leave a trace in the pictures of a screen: whoever sees only pictures can but guess the others."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, UInt8

from worldmodel.screen.events import TOLERANCE, events_in
from worldmodel.screen.transitions import differs, elsewhere
from worldmodel.types import ActionSpec

ANSWER = 1 + TOLERANCE
"""Frames after an event in which a trace of it is looked for: the next, and what a release a tick later leads to."""


@dataclass
class Traces:
    """Of every kind of event, whether each left a trace; those of a first tick are left out, as nothing leads there."""

    shown: dict[str, list[bool]] = field(default_factory=dict)

    def add(
        self,
        spec: ActionSpec,
        frames: UInt8[np.ndarray, "t h w 3"],
        actions: Float[np.ndarray, "t-1 a"],
        places: Float[np.ndarray, "t-1 2"],
    ) -> None:
        """Adds a recording: its frames, the actions between them, and where each of these puts the pointer, in px."""
        for name, events in events_in(spec, actions).items():
            self.shown.setdefault(name, []).extend(_is_shown(frames, places, tick) for tick in events if tick > 0)

    def summary(self) -> dict[str, float | None]:
        """The share that left a trace, of every kind; None where there was no event.

        Who tells exactly these has this share as recall, and 2 share / (1 + share) as F1.
        """
        return {name: float(np.mean(shown)) if shown else None for name, shown in self.shown.items()}


def _is_shown(frames: UInt8[np.ndarray, "t h w 3"], places: Float[np.ndarray, "t-1 2"], tick: int) -> bool:
    """Whether anything beside the pointer changes soon after a tick, whatever changed it."""
    shape = (frames.shape[1], frames.shape[2])
    for after in range(tick + 1, min(tick + 1 + ANSWER, len(frames))):
        free = elsewhere(shape, *map(tuple, places[[tick - 1, after - 1]].tolist()))
        if (differs(frames[tick], frames[after]) & free).any():
            return True
    return False
