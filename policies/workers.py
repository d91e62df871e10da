"""Several processes that record episodes: on this machine, or on a Ray cluster."""

import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import connection, parent_process
from pathlib import Path

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

from policies.recorder import Recorder
from worldmodel.data.lerobot_tables import disk_errors
from worldmodel.data.lerobot_writer import record_alone
from worldmodel.types import Episode, InputError

AHEAD = 2  # episodes that each process may be ahead of the one that is written


@dataclass
class Recorded:
    """An episode, and the folder where it was already recorded as a data set of one, if it was."""

    episode: Episode
    folder: Path | None = None


class _Recorded(Dataset[Recorded | InputError]):
    """Episodes, as a data loader asks for them; gives back what went wrong.

    Args:
        recorder: plays.
        numbers: of the episodes.
        folder: where to record them, too; None: nowhere.
    """

    def __init__(self, recorder: Recorder, numbers: Sequence[int], folder: Path | None = None) -> None:
        self.recorder, self.numbers, self.folder = recorder, numbers, folder

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, position: int) -> Recorded | InputError:
        try:
            number = self.numbers[position]
            episode = self.recorder.record(number)
            if self.folder is None:
                return Recorded(episode)
            spec = self.recorder.spec
            with disk_errors(self.folder):
                return Recorded(episode, record_alone(episode, self.folder / f"{number:06d}", spec.fps, spec))
        except InputError as error:  # raised here, it would come out of a worker with a traceback for a message
            return error


def record_in_order(recorder: Recorder, numbers: Sequence[int], workers: int, folder: Path) -> Iterator[Recorded]:
    """Yields episodes in the order of their numbers, however many processes record them.

    Args:
        recorder: plays; closed (with its OpenGL context) before processes start.
        numbers: of the episodes.
        workers: processes, which also encode what they played; 1: this one, which does not. They are forked from the
            one that `start_forkserver` started, and die at once when this one does.
        folder: where they put what they encoded.

    Raises:
        InputError: what the recorder raises.
    """
    several = workers > 1
    if several:
        recorder.close()
        # Writing takes it here, too; imported only then, it would keep the workers waiting.
        import lerobot.datasets.lerobot_dataset  # noqa: F401
    loader = DataLoader(
        _Recorded(recorder, numbers, folder if several else None),
        batch_size=None,
        num_workers=workers if several else 0,
        multiprocessing_context="forkserver" if several else None,  # OpenGL does not outlive a fork of this one
        prefetch_factor=AHEAD if several else None,
        worker_init_fn=_start_local_worker,
    )
    for episode in loader:
        yield _unwrapped(episode)


def _start_local_worker(_: int) -> None:
    # What was killed is often begun again at once: its workers must not write beside those of the next run.
    threading.Thread(target=_die_with_parent, daemon=True).start()
    _start_worker()


def _die_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def _start_worker() -> None:
    """One thread each: what draws, computes and encodes in a worker shares the machine with the other workers."""
    os.environ["LP_NUM_THREADS"] = "1"  # of Mesa's software OpenGL
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def record_on_ray(recorder: Recorder, numbers: Sequence[int], workers: int, folder: Path) -> Iterator[Recorded]:
    """The same on a Ray cluster: the one that ``RAY_ADDRESS`` names, else one on this machine.

    Args:
        recorder: plays, a copy of it in each of Ray's processes.
        numbers: of the episodes.
        workers: processes, each with a core.
        folder: not used: other machines may not see it.
    """
    import ray

    recorder.close()
    if started := not ray.is_initialized():
        here = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": workers, "include_dashboard": False}
        ray.init(log_to_driver=False, **here)
    try:
        actors = [ray.remote(num_cpus=1)(_Actor).remote(recorder) for _ in range(workers)]
        waiting: deque = deque()
        for position, number in enumerate(numbers):
            if len(waiting) == AHEAD * workers:
                yield _unwrapped(ray.get(waiting.popleft()))
            waiting.append(actors[position % workers].record.remote(number))
        while waiting:
            yield _unwrapped(ray.get(waiting.popleft()))
    finally:
        if started:
            ray.shutdown()


class _Actor:
    """A recorder in a process of Ray's."""

    def __init__(self, recorder: Recorder) -> None:
        _start_worker()
        self._episodes = _Recorded(recorder, range(2**31))

    def record(self, number: int) -> Recorded | InputError:
        return self._episodes[number]


def _unwrapped(recorded: Recorded | InputError) -> Recorded:
    if isinstance(recorded, InputError):
        raise recorded
    return recorded
