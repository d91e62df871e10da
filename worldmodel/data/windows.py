"""Windows of equal length, drawn at random from a mixture of recordings.

What step i of a run sees is a function of (seed, i) alone: a resumed run needs no other state to go on exactly.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch.utils.data import IterableDataset

from worldmodel.data.cache import Recordings
from worldmodel.types import Batch, InputError


def split(episodes: int, held_out: float) -> tuple[np.ndarray, np.ndarray]:
    """Indices of training and held-out episodes; the held-out ones are spread evenly, at least one if any."""
    count = min(episodes - 1, max(1, round(episodes * held_out))) if held_out > 0 and episodes > 1 else 0
    held = np.unique(np.linspace(0, episodes - 1, count + 2).round().astype(int)[1:-1])
    return np.setdiff1d(np.arange(episodes), held), held


def labelled(episodes: np.ndarray, share: float) -> np.ndarray:
    """The episodes whose actions are used: a fixed random ``share`` of them, at least one if the share is above 0."""
    count = max(1, round(len(episodes) * share)) if share > 0 else 0
    return np.sort(np.random.default_rng(0).permutation(episodes)[:count])


class WindowSampler:
    """Draws windows of latents with all that belongs to them.

    Args:
        recordings: encoded datasets.
        episodes: per dataset, the episodes to draw from.
        window: frames per window.
        chunk: actions reach ``chunk - 1`` steps beyond the window (masked beyond the episode's end).
        action_size: actions are padded to this many dimensions.
        state_size: likewise for the state.
        bodies: embodiment name -> index in the model.
        weights: dataset name -> weight; empty: by number of windows.
        known: per dataset, episodes whose actions may be seen (None: all).
        imitate: names of the datasets whose actions the policy should learn (None: all).
        frames: draw the pictures too, not only their latents.
    """

    def __init__(
        self,
        recordings: Sequence[Recordings],
        episodes: Sequence[np.ndarray],
        *,
        window: int,
        chunk: int,
        action_size: int,
        state_size: int,
        bodies: Mapping[str, int],
        weights: Mapping[str, float] | None = None,
        known: Sequence[np.ndarray | None] | None = None,
        imitate: Collection[str] | None = None,
        frames: bool = False,
    ) -> None:
        self.recordings, self.window, self.chunk, self.frames = recordings, window, chunk, frames
        self.action_size, self.state_size, self.bodies = action_size, state_size, bodies
        self.imitate = [imitate is None or r.name in imitate for r in recordings]
        known = known or [None] * len(recordings)
        self.tables = [self._table(*parts) for parts in zip(recordings, episodes, known, strict=True)]
        counts = np.array([len(table) for table in self.tables], float)
        shares = np.array([weights.get(r.name, 0.0) for r in recordings]) if weights else counts
        shares = shares * (counts > 0)
        if shares.sum() <= 0:
            names = ", ".join(r.name for r in recordings)
            raise InputError(f"{names}: no episode has {window} frames, wanted at least one training window")
        self.shares = shares / shares.sum()

    def _table(self, recordings: Recordings, episodes: np.ndarray, known: np.ndarray | None) -> np.ndarray:
        """Every window: first frame, end of its episode, whether its actions may be seen."""
        rows = []
        for episode in episodes:
            start, end = recordings.starts[episode : episode + 2]
            first = np.arange(start, end - self.window + 1)
            seen = known is None or episode in known
            rows.append(np.stack([first, np.full_like(first, end), np.full_like(first, seen)], 1))
        return np.concatenate(rows) if rows else np.zeros((0, 3), int)

    def draw(self, rng: np.random.Generator, size: int) -> Batch:
        """A batch of ``size`` windows."""
        chosen = np.sort(rng.choice(len(self.tables), size, p=self.shares))
        rows = [self._row(int(index), self.tables[index][rng.integers(len(self.tables[index]))]) for index in chosen]
        columns = {key: torch.from_numpy(np.stack([row[key] for row in rows])) for key in rows[0]}
        return Batch(**columns)

    def _row(self, index: int, window: np.ndarray) -> dict[str, np.ndarray]:
        recordings = self.recordings[index]
        first, end, seen = window
        frames = slice(first, first + self.window)
        reach = np.arange(first, first + self.window + self.chunk - 1)
        inside = reach < end - 1  # the last action of an episode leads to no recorded frame
        reach = np.minimum(reach, end - 1)
        actions = np.zeros((len(reach), self.action_size), np.float32)
        size = recordings.actions.shape[-1]
        actions[:, :size] = recordings.actions[reach]
        state = np.full((self.window, self.state_size), np.nan, np.float32)
        if recordings.state is not None:
            state[:, recordings.state.shape[-1] :] = 0.0
            state[:, : recordings.state.shape[-1]] = recordings.state[frames]
        assert recordings.latents is not None
        pictures = {"frames": recordings.frames[frames]} if self.frames else {}
        return pictures | {
            "latents": recordings.latents[frames].astype(np.float32),
            "actions": actions,
            "action_mask": inside & recordings.action_mask[reach] & bool(seen),
            "state": state,
            "reward": recordings.reward[frames],
            "success": recordings.success[frames],
            "imitate": np.array(self.imitate[index]),
            "embodiment": np.array(self.bodies[recordings.spec.name]),
        }


class PictureSampler:
    """Draws pictures and the ones before them, for the tokenizer.

    Args:
        recordings: datasets.
        episodes: per dataset, the episodes to draw from.
        weights: dataset name -> weight; empty: by number of frames.
    """

    def __init__(
        self,
        recordings: Sequence[Recordings],
        episodes: Sequence[np.ndarray],
        weights: Mapping[str, float] | None = None,
    ) -> None:
        self.recordings = recordings
        self.indices = [
            np.concatenate([np.arange(r.starts[e] + 1, r.starts[e + 1]) for e in chosen] or [np.zeros(0, int)])
            for r, chosen in zip(recordings, episodes, strict=True)
        ]
        counts = np.array([len(index) for index in self.indices], float)
        shares = np.array([weights.get(r.name, 0.0) for r in recordings]) if weights else counts
        shares = shares * (counts > 0)
        if shares.sum() <= 0:
            raise InputError("no training episode has 2 frames, wanted at least one")
        self.shares = shares / shares.sum()

    def draw(self, rng: np.random.Generator, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """``size`` pictures and their predecessors, both uint8 (size, h, w, 3)."""
        pairs = []
        for index in rng.choice(len(self.indices), size, p=self.shares):
            last = self.indices[index][rng.integers(len(self.indices[index]))]
            pairs.append(self.recordings[index].frames[last - 1 : last + 1])
        both = torch.from_numpy(np.stack(pairs))
        return both[:, 1], both[:, 0]


class Stream(IterableDataset):
    """Endless batches, from step ``start`` on; yields (step, batch).

    Args:
        sampler: draws the batches.
        seed: of the run.
        size: of a batch.
        act_sampler: draws those of every ``act_every``-th step instead, with as many frames in all.
        act_every: 0 never.
    """

    def __init__(
        self,
        sampler: WindowSampler | PictureSampler,
        seed: int,
        size: int,
        *,
        start: int = 0,
        act_sampler: WindowSampler | None = None,
        act_every: int = 0,
    ) -> None:
        self.sampler, self.seed, self.size, self.start = sampler, seed, size, start
        self.act_sampler, self.act_every = act_sampler, act_every

    def __iter__(self) -> Iterator[tuple[int, object]]:
        step = self.start
        while True:
            acting = self.act_sampler is not None and is_act_step(step, self.act_every)
            sampler, size = self.sampler, self.size
            if acting and isinstance(sampler, WindowSampler) and self.act_sampler:
                sampler, size = self.act_sampler, size * sampler.window // self.act_sampler.window
            yield step, sampler.draw(np.random.default_rng((self.seed, step)), size)
            step += 1


def is_act_step(step: int, every: int) -> bool:
    """Whether a step trains on acting: the last of every ``every`` steps, none if 0."""
    return every > 0 and step % every == every - 1
