"""Windows of equal length from a mixture of recordings, each once per epoch of its dataset.

What step i of a run sees is a function of (seed, i, rank, number of ranks) alone: a resumed run needs no other state to
go on exactly, and it does not matter how many processes load.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch.utils.data import IterableDataset, get_worker_info

from worldmodel.data.cache import Recordings
from worldmodel.data.crops import choose_part
from worldmodel.data.disk_array import Rows, copy_rows
from worldmodel.data.order import Order, shares_of
from worldmodel.data.words import WORDS
from worldmodel.types import Batch, InputError


def split(episodes: int, held_out: float) -> tuple[np.ndarray, np.ndarray]:
    """Indices of training and held-out episodes; the held-out ones are spread evenly, at least one if any, all if 1."""
    if held_out >= 1:
        return np.arange(0), np.arange(episodes)
    count = min(episodes - 1, max(1, round(episodes * held_out))) if held_out > 0 and episodes > 1 else 0
    held = np.unique(np.linspace(0, episodes - 1, count + 2).round().astype(int)[1:-1])
    return np.setdiff1d(np.arange(episodes), held), held


def labelled(episodes: np.ndarray, share: float) -> np.ndarray:
    """The episodes whose actions are used: a fixed random ``share`` of them, at least one if the share is above 0."""
    count = max(1, round(len(episodes) * share)) if share > 0 else 0
    return np.sort(np.random.default_rng(0).permutation(episodes)[:count])


class WindowIndex:
    """All windows of some episodes, numbered from 0; holds a few numbers per episode, not per window.

    Args:
        recordings: the dataset.
        episodes: which of its episodes.
        window: frames per window.
    """

    def __init__(self, recordings: Recordings, episodes: np.ndarray, window: int) -> None:
        self.episodes = np.asarray(episodes, np.int64)
        self.starts = recordings.starts[self.episodes]
        lengths = recordings.starts[self.episodes + 1] - self.starts
        self.ends = np.cumsum(np.maximum(lengths - window + 1, 0))

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def locate(self, windows: Int64[np.ndarray, "n"]) -> tuple[Int64[np.ndarray, "n"], Int64[np.ndarray, "n"]]:
        """First frames of windows, and the numbers of their episodes."""
        row = np.searchsorted(self.ends, windows, "right")
        before = np.where(row > 0, self.ends[row - 1], 0)
        return self.starts[row] + windows - before, self.episodes[row]


@dataclass(frozen=True)
class WindowShape:
    """What every window of a batch has in common, whatever dataset it comes from.

    Attributes:
        window: frames per window.
        chunk: actions reach ``chunk - 1`` steps beyond the window (masked beyond the episode's end).
        action_size: actions are padded to this many dimensions.
        state_size: likewise for the state.
        bodies: embodiment name -> index in the model.
    """

    window: int
    chunk: int
    action_size: int
    state_size: int
    bodies: Mapping[str, int]

    def empty(self, size: int, pictures: Mapping[str, Rows]) -> dict[str, np.ndarray]:
        """The columns of a batch of ``size`` windows; ``pictures`` are arrays of what ``frames``, ``latents`` hold."""
        columns = {key: np.empty((size, self.window, *rows.shape[1:]), rows.dtype) for key, rows in pictures.items()}
        reach = self.window + self.chunk - 1
        return columns | {
            "actions": np.zeros((size, reach, self.action_size), np.float32),
            "action_mask": np.zeros((size, reach), bool),
            "state": np.full((size, self.window, self.state_size), np.nan, np.float32),
            "reward": np.empty((size, self.window), np.float32),
            "success": np.empty((size, self.window), np.float32),
            "imitate": np.empty(size, bool),
            "words": np.zeros((size, WORDS), np.int64),
            "embodiment": np.empty(size, np.int64),
        }

    def fill(
        self,
        columns: Mapping[str, np.ndarray],
        row: int,
        recordings: Recordings,
        first: int,
        end: int,
        *,
        episode: int = 0,
        known: bool = True,
        imitate: bool = True,
    ) -> None:
        """Writes the window that begins at frame ``first``, of an episode that ends before ``end``, into a batch.

        Args:
            columns: of the batch.
            row: in the batch.
            recordings: the dataset.
            first: first frame of the window.
            end: one past the last frame of its episode.
            episode: number of the episode.
            known: whether its actions may be seen.
            imitate: whether the policy should learn from it.
        """
        reach = min(self.window + self.chunk - 1, end - first)
        actions, state = columns["actions"][row], columns["state"][row]
        values = recordings.actions[first : first + reach]
        actions[:reach, : values.shape[-1]] = values
        actions[reach:] = actions[reach - 1]
        inside = min(reach, end - 1 - first)  # the last action of an episode leads to no recorded frame
        columns["action_mask"][row, :inside] = recordings.action_mask[first : first + inside] & known
        if recordings.state is not None:
            values = recordings.state[first : first + self.window]
            state[:] = 0.0
            state[:, : values.shape[-1]] = values
        for key in ("frames", "latents", "reward", "success"):
            if key in columns:
                copy_rows(getattr(recordings, key), first, columns[key][row])
        columns["imitate"][row] = imitate
        if recordings.words is not None:
            columns["words"][row] = recordings.words[episode]
        columns["embodiment"][row] = self.bodies[recordings.spec.name]


def as_batch(columns: Mapping[str, np.ndarray]) -> Batch:
    """A batch of tensors; latents become float32."""
    tensors = {key: torch.from_numpy(values) for key, values in columns.items()}
    if "latents" in tensors:
        tensors["latents"] = tensors["latents"].float()
    return Batch(**tensors)


class WindowSampler:
    """Gives windows of latents with all that belongs to them.

    Args:
        recordings: encoded datasets.
        episodes: per dataset, the episodes to take windows from.
        window: frames per window.
        chunk: actions reach ``chunk - 1`` steps beyond the window (masked beyond the episode's end).
        action_size: actions are padded to this many dimensions.
        state_size: likewise for the state.
        bodies: embodiment name -> index in the model.
        weights: dataset name -> weight; empty: by number of windows.
        known: per dataset, episodes whose actions may be seen (None: all).
        imitate: names of the datasets whose actions the policy should learn (None: all).
        frames: give the pictures too, not only their latents.
        latents: give latents; False for datasets that are not encoded.

    Raises:
        InputError: no window with a weight above 0, weights that are none, datasets that are not encoded.
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
        latents: bool = True,
    ) -> None:
        self.recordings, self.window = recordings, window
        self.shape = WindowShape(window, chunk, action_size, state_size, bodies)
        self.kinds = [kind for kind, wanted in (("frames", frames), ("latents", latents)) if wanted]
        if raw := [r.name for r in recordings if latents and r.latents is None]:
            raise InputError(f"{', '.join(raw)}: not encoded, wanted latents")
        self.imitate = [imitate is None or r.name in imitate for r in recordings]
        # One flag per episode: whether its actions may be seen.
        self.known = [
            np.isin(np.arange(r.episodes), np.arange(r.episodes) if seen is None else seen)
            for r, seen in zip(recordings, known or [None] * len(recordings), strict=True)
        ]
        self.indices = [WindowIndex(r, chosen, window) for r, chosen in zip(recordings, episodes, strict=True)]
        self.order = _order(recordings, self.indices, weights, f"no episode has {window} frames")

    def draw(self, seed: Sequence[int], first: int, size: int) -> Batch:
        """Windows ``first`` to ``first + size`` of all that a run with this seed sees."""
        row, columns = 0, self.shape.empty(size, {kind: getattr(self.recordings[0], kind) for kind in self.kinds})
        for dataset, windows in self.order.take(seed, first, size):
            recordings = self.recordings[dataset]
            for start, episode in zip(*self.indices[dataset].locate(windows), strict=True):
                end, known = int(recordings.starts[episode + 1]), bool(self.known[dataset][episode])
                flags = {"episode": int(episode), "known": known, "imitate": self.imitate[dataset]}
                self.shape.fill(columns, row, recordings, int(start), end, **flags)
                row += 1
        return as_batch(columns)


class PictureSampler:
    """Gives pictures and the ones before them, for the tokenizer.

    Args:
        recordings: datasets.
        episodes: per dataset, the episodes to take pictures from.
        weights: dataset name -> weight; empty: by number of frames.
        crop: side of the part of every picture that is given, see `choose_part`; 0: all of it.

    Raises:
        InputError: no pair of pictures with a weight above 0, weights that are none, or parts larger than pictures.
    """

    def __init__(
        self,
        recordings: Sequence[Recordings],
        episodes: Sequence[np.ndarray],
        weights: Mapping[str, float] | None = None,
        crop: int = 0,
    ) -> None:
        height, width = recordings[0].frames.shape[1:3]
        if crop > min(height, width):
            raise InputError(f"crop: found {crop}, wanted at most the pictures' {height}x{width} px")
        self.recordings, self.crop = recordings, crop
        self.indices = [WindowIndex(r, chosen, 2) for r, chosen in zip(recordings, episodes, strict=True)]
        self.order = _order(recordings, self.indices, weights, "no episode has 2 frames")

    def draw(self, seed: Sequence[int], first: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Pictures ``first`` to ``first + size`` of a run and their predecessors, both uint8 (size, h, w, 3)."""
        whole = self.recordings[0].frames.shape[1:]
        pairs = np.empty((size, 2, *((self.crop, self.crop, 3) if self.crop else whole)), np.uint8)
        pair, row = np.empty((2, *whole), np.uint8), 0
        for dataset, windows in self.order.take(seed, first, size):
            for start in self.indices[dataset].locate(windows)[0]:
                copy_rows(self.recordings[dataset].frames, int(start), pair if self.crop else pairs[row])
                if self.crop:
                    pairs[row] = choose_part(pair, self.crop, np.random.default_rng([*seed, first + row]))
                row += 1
        both = torch.from_numpy(pairs)
        return both[:, 1], both[:, 0]


def _order(
    recordings: Sequence[Recordings], indices: Sequence[WindowIndex], weights: Mapping[str, float] | None, none: str
) -> Order:
    """The order of a mixture's windows; ``none`` says what is the matter when there are none."""
    names, counts = [r.name for r in recordings], [len(index) for index in indices]
    if not any(counts):
        raise InputError(f"{', '.join(names)}: {none}, wanted at least one training window")
    return Order(counts, shares_of(names, counts, weights))


class Stream(IterableDataset):
    """Endless batches, from step ``start`` on; yields (step, batch).

    Every rank gets a part of its own of each step's windows; every process of a data loader makes every so many-th
    step, so that the batches come in the same order from any number of them.

    Args:
        sampler: gives the batches.
        seed: of the run.
        size: of a batch, on each rank.
        start: first step.
        act_sampler: gives those of the steps that train on acting.
        act_share: share of these steps, see `is_act_step`.
        act_size: of their batches, on each rank.
        rank: of this process among those that train together.
        ranks: how many of them there are.
    """

    def __init__(
        self,
        sampler: WindowSampler | PictureSampler,
        seed: int,
        size: int,
        *,
        start: int = 0,
        act_sampler: WindowSampler | None = None,
        act_share: float = 0.0,
        act_size: int = 0,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self.sampler, self.seed, self.size, self.start = sampler, seed, size, start
        self.act_sampler, self.act_share, self.act_size = act_sampler, act_share, act_size
        self.rank, self.ranks = rank, ranks

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        worker = get_worker_info()
        step, every = (self.start + worker.id, worker.num_workers) if worker else (self.start, 1)
        while True:
            yield step, self.batch(step)
            step += every

    def batch(self, step: int) -> Any:
        """What this rank sees in a step."""
        sampler, size, kind = self.sampler, self.size, 0
        share = self.act_share if self.act_sampler is not None else 0.0
        earlier = act_steps(step, share)
        count = step - earlier
        if is_act_step(step, share) and self.act_sampler:
            sampler, size, kind = self.act_sampler, self.act_size, 1
            count = earlier
        return sampler.draw((self.seed, kind), (count * self.ranks + self.rank) * size, size)


def act_steps(step: int, share: float) -> int:
    """How many of the steps before this one train on acting."""
    return math.floor(step * share + 1e-6)  # thirds are rounded


def is_act_step(step: int, share: float) -> bool:
    """Whether a step trains on acting: as evenly spread as a share allows, a half is every second one."""
    return act_steps(step + 1, share) > act_steps(step, share)
