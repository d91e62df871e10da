"""Kill -9 at random moments of a collection by several processes: what is there is whole, and the next run goes on."""

import json
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import forkserver
from pathlib import Path

import pytest
from lerobot.datasets.lerobot_dataset import LeRobotDataset

from policies.collect import collect
from policies.forkserver import start_forkserver
from tests.data import counting
from tests.policies.comparing import assert_equal_episodes, assert_equal_sets
from worldmodel.data.lerobot import LeRobotSource
from worldmodel.data.open import open_dataset
from worldmodel.types import Episode

MOMENTS, MORE_THAN_CAN_BE, PATIENCE_S = 20, 10**6, 300
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")


def collect_counting(output: Path, episodes: int, workers: int) -> Path:
    return collect(counting.ENV_ID, counting.make_policy, episodes, output, workers=workers, progress=False)


def begin(output: Path) -> int:
    """Collects in another process, which has imported everything already: its id."""
    child = os.fork()
    if child == 0:
        try:
            # The forkserver of this test is not a child of that process, which would ask after it in vain.
            forkserver.ensure_running = forkserver._forkserver.ensure_running = lambda: None
            collect_counting(output, MORE_THAN_CAN_BE, workers=2)
        finally:
            os._exit(0)
    return child


def workers_now() -> list[int]:
    """Ids of the processes that the forkserver has forked and that still run."""
    found, server = [], str(forkserver._forkserver._forkserver_pid)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if parent == server and state != "Z":
                found.append(int(stat.parent.name))
    return found


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def finished(output: Path) -> int:
    info = output / "meta/info.json"
    return json.loads(info.read_text())["total_episodes"] if info.exists() else 0


def kill(output: Path, further: int, delay_s: float, *, all_of_them: bool) -> None:
    """Kills a collection a while after it added some episodes, with its workers or without."""
    child, wanted = begin(output), finished(output) + further
    until(lambda: finished(output) >= wanted)
    time.sleep(delay_s)
    for process in [child, *(workers_now() if all_of_them else [])]:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the collection was to be killed before it was done"
    until(lambda: not workers_now())  # who is left alone does not linger


def test_collections_killed_at_twenty_moments_go_on(tmp_path: Path):
    start_forkserver()
    collect_counting(tmp_path / "first", 1, workers=2)  # until that one has imported everything
    output, rng = tmp_path / "set", random.Random(0)
    found: list[Episode] = []
    for moment in range(MOMENTS):
        kill(output, rng.choice((0, 1, 1, 2)), rng.uniform(0, 0.3), all_of_them=moment % 2 == 0)
        if finished(output) == 0:
            continue
        source = open_dataset(output)  # as it is, without repair
        assert len(source) == finished(output) >= len(found)
        found += [source[index] for index in range(len(found), len(source))]
        assert LeRobotDataset("local/set", root=output, video_backend="pyav").num_episodes == len(source)
    assert found
    whole = collect_counting(tmp_path / "whole", len(found) + 2, workers=1)
    for mine, other in zip(found, LeRobotSource(whole), strict=False):
        assert_equal_episodes(mine, other)
    assert_equal_sets(collect_counting(output, len(found) + 2, workers=2), whole)
