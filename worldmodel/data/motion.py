"""Actions told by what the body did: how far its state moved until the next picture.

For recordings that hold states but no actions, and for those whose actions are absolute targets: a pose says where an
arm is in a picture only to who knows the camera, a motion how the picture changes.

Source: world models of robot arms condition on the poses reached, https://arxiv.org/abs/2510.10125 (Ctrl-World).
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float32

from worldmodel.data.derived import named_embodiment, sampled
from worldmodel.types import ActionDim, ActionSpec, EmbodimentSpec, Episode, EpisodeSource, InputError

SAMPLED_EPISODES = 16  # read to find how far a state moves
MARGIN = 1.25  # how much further others may


class Motion:
    """A source whose action t is the state at t + 1 less that at t; angles (unit "rad") go the shorter way.

    Args:
        source: recordings with states.
        embodiment: a name of `EMBODIMENTS`; by default ``NAME_motion``, with limits that are the furthest motion of
            episodes spread over the source and a quarter more.

    Raises:
        InputError: no state, or an embodiment that does not fit; while reading, an episode without state.
    """

    def __init__(self, source: EpisodeSource, embodiment: str | None = None) -> None:
        self.source, self.path = source, source.path
        body = source.embodiments[0]
        size = len(body.state_low)
        if not size:
            raise InputError(f"{self.path}: has no state, wanted one where actions are told by its motion")
        dims = body.action.dims if len(body.action) == size else [ActionDim(str(index)) for index in range(size)]
        self._angles = np.array([dim.unit == "rad" for dim in dims])
        if embodiment is not None:
            body = named_embodiment(embodiment, str(self.path), size, size)
        else:
            body = replace(body, name=f"{body.name}_motion", action=self._spec(dims))
        self.embodiments: Sequence[EmbodimentSpec] = [body]

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Episode:
        episode = self.source[index]
        moved = self._moved(episode)
        return replace(
            episode,
            actions=np.concatenate([moved, np.zeros((1, moved.shape[1]), np.float32)]),
            action_mask=np.arange(len(episode)) < len(moved),
            embodiment=self.embodiments[0].name,
        ).validate()

    def _spec(self, dims: Sequence[ActionDim]) -> ActionSpec:
        """Actions as far as the state moves in some of the episodes."""
        reach = np.zeros(len(dims))
        for index in sampled(len(self), SAMPLED_EPISODES):
            try:
                reach = np.maximum(reach, np.abs(self._moved(self.source[index])).max(axis=0, initial=0.0))
            except InputError:
                continue  # told when the episode is asked for
        limits = [float(furthest) * MARGIN or 1.0 for furthest in reach]
        moves = zip(dims, limits, strict=True)
        return ActionSpec(tuple(ActionDim(f"delta_{d.name}", "continuous", -far, far, d.unit) for d, far in moves))

    def _moved(self, episode: Episode) -> Float32[np.ndarray, "moves s"]:
        if episode.state is None:
            where = f"{episode.source}: episode {episode.episode_id}"
            raise InputError(f"{where}: has no state, wanted one where actions are told by its motion")
        moved = np.diff(episode.state, axis=0)
        turned = (moved + math.pi) % (2 * math.pi) - math.pi
        return np.where(self._angles, turned, moved).astype(np.float32)
