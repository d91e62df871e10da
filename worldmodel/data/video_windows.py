"""Windows straight from recordings, for data too large for a cache: each episode is decoded once per epoch.

The episodes of an epoch are shuffled and cut into blocks of a bounded number of frames. A block is decoded from
beginning to end, and all its windows are given in random order before the next one is read.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Int64
from torch.utils.data import IterableDataset, get_worker_info

from worldmodel.data.cache import Recordings
from worldmodel.data.cameras import camera_frames
from worldmodel.data.frames import resize_frames
from worldmodel.data.quality import Damage, read_good
from worldmodel.data.windows import WindowShape, as_batch
from worldmodel.data.words import hash_words
from worldmodel.types import Batch, EpisodeSource, InputError


def usable_lengths(source: EpisodeSource) -> Int64[np.ndarray, "n"]:
    """Frames of every episode, 0 where it cannot be used; reads the whole source once."""
    found = (read_good(source, index) for index in range(len(source)))
    return np.array([0 if isinstance(episode, Damage) else len(episode) for episode in found], np.int64)


class VideoWindows(IterableDataset):
    """Endless batches with pictures, from step ``start`` on; yields (step, batch).

    Every process of every rank decodes blocks of its own, so each window comes once per epoch in all of them together.
    What a step sees is a function of (seed, step, rank, number of ranks, number of processes).

    Args:
        source: recordings.
        lengths: frames of every episode, 0 for those to be left out; see `usable_lengths`.
        shape: of the windows.
        height: of the frames, in px.
        width: of the frames, in px.
        camera: whose pictures are used, see `camera_frames`.
        seed: of the run.
        size: of a batch, on each rank.
        start: first step.
        buffer: frames that a process holds, or those of the longest episode if that has more.
        rank: of this process among those that train together.
        ranks: how many of them there are.

    Raises:
        InputError: lengths that do not fit the source, or no window; while reading, an episode that is damaged or
            has another length.
    """

    def __init__(
        self,
        source: EpisodeSource,
        lengths: Sequence[int] | Int64[np.ndarray, "n"],
        shape: WindowShape,
        height: int,
        width: int,
        *,
        camera: str | None = None,
        seed: int,
        size: int,
        start: int = 0,
        buffer: int = 2048,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self.source, self.shape, self.height, self.width, self.camera = source, shape, height, width, camera
        self.seed, self.size, self.start, self.buffer, self.rank, self.ranks = seed, size, start, buffer, rank, ranks
        self.lengths = np.asarray(lengths, np.int64)
        if len(self.lengths) != len(source):
            raise InputError(f"{source.path}: {len(self.lengths)} lengths, wanted one per episode, {len(source)}")
        self.counts = np.maximum(self.lengths - shape.window + 1, 0)
        if not self.counts.any():
            raise InputError(f"{source.path}: no episode has {shape.window} frames, wanted at least one window")

    def __iter__(self) -> Iterator[tuple[int, Batch]]:
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        step = self.start + number
        # A data loader begins with its process 0, but this step may belong to the shard of another one.
        shard = self.rank + self.ranks * (step % workers)
        windows = self._windows(shard, self.ranks * workers, step // workers * self.size)
        pictures = {"frames": np.empty((0, self.height, self.width, 3), np.uint8)}
        while True:
            columns = self.shape.empty(self.size, pictures)
            for row in range(self.size):
                episode, first = next(windows)
                self.shape.fill(columns, row, episode, first, int(episode.starts[1]))
            yield step, as_batch(columns)
            step += workers

    def blocks(self) -> Iterator[tuple[int, Int64[np.ndarray, "n"]]]:
        """Epoch and episodes of all blocks, without end; shard i of n reads the blocks i, i + n, i + 2 n, ..."""
        epoch, usable = 0, np.nonzero(self.counts)[0]
        while True:
            episodes = np.random.default_rng((self.seed, epoch)).permutation(usable)
            block, held = [], 0
            for episode in episodes:
                if block and held + self.lengths[episode] > self.buffer:
                    yield epoch, np.array(block, np.int64)
                    block, held = [], 0
                block.append(episode)
                held += self.lengths[episode]
            yield epoch, np.array(block, np.int64)
            epoch += 1

    def _windows(self, shard: int, shards: int, skip: int) -> Iterator[tuple[Recordings, int]]:
        """A shard's windows after the first ``skip``, as episodes and first frames."""
        for number, (_, block) in enumerate(self.blocks()):
            count = int(self.counts[block].sum())
            if number % shards != shard:
                continue
            if skip >= count:
                skip -= count
                continue
            ends = np.cumsum(self.counts[block])
            episodes = [self._read(int(index)) for index in block]
            for window in np.random.default_rng((self.seed, number, 1)).permutation(count)[skip:]:
                place = int(np.searchsorted(ends, window, "right"))
                yield episodes[place], int(window - ends[place] + self.counts[block[place]])
            skip = 0
            episodes.clear()  # or two blocks would be in memory while the next one is read

    def _read(self, index: int) -> Recordings:
        episode = read_good(self.source, index)
        if isinstance(episode, Damage):
            raise InputError(f"{self.source.path}: {episode.reason}: {episode.detail}")
        if len(episode) != self.lengths[index]:
            found = f"{len(episode)} frames in episode {index}"
            raise InputError(f"{self.source.path}: {found}, wanted {self.lengths[index]}; count its lengths again")
        spec = self.source.embodiments[0]
        unknown = np.full(len(episode), np.nan, np.float32)
        state = episode.state if spec.state_low else None
        return Recordings(
            name=str(self.source.path),
            spec=spec,
            starts=np.array([0, len(episode)]),
            actions=spec.action.normalise(episode.actions),
            action_mask=episode.action_mask,
            state=None if state is None else spec.normalise_state(state),
            reward=unknown if episode.reward is None else episode.reward,
            success=unknown if episode.success is None else episode.success.astype(np.float32),
            frames=resize_frames(camera_frames(episode, self.camera), self.height, self.width),
            words=hash_words(episode.text)[None],
        )
