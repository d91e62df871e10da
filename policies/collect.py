"""Lets a policy act in an environment and keeps what happens as a LeRobotDataset v3.

Episode i is seeded with ``seed + i`` and owes nothing to the episodes before it, so that an interrupted collection goes
on where it stopped and ends in the same data, whoever many processes play.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from policies.forkserver import start_forkserver
from policies.recorder import LICENCE, Recorder
from policies.workers import record_in_order, record_on_ray
from worldmodel.data.lerobot_writer import LeRobotWriter
from worldmodel.types import InputError, Policy


def collect(
    env_id: str,
    policy: str | Callable[[gymnasium.Env], Policy],
    episodes: int,
    output: str | Path,
    *,
    seed: int = 0,
    max_steps: int | None = None,
    env_options: Mapping[str, Any] | None = None,
    licence: str = LICENCE,
    workers: int = 1,
    ray: bool = False,
    progress: bool = True,
) -> Path:
    """Records episodes until the data set holds ``episodes`` of them.

    Args:
        env_id: see `Recorder`.
        policy: see `policies.behaviours`; or a function that makes a policy for an environment.
        episodes: wanted in total; those already in ``output`` count, and those deleted from it.
        output: folder of the data set.
        seed: of the first episode; the next ones count up.
        max_steps: end an episode after so many steps; None: the environment's own limit.
        env_options: further arguments of the environment, such as ``{"size": 64}``.
        licence: SPDX id of what is recorded.
        workers: processes that play; this one writes.
        ray: let them run on a Ray cluster.
        progress: show a bar on stderr.

    Returns:
        The folder.

    Raises:
        InputError: unknown environment or policy, observations without pictures, an output that cannot be written or
            was collected otherwise.
    """
    for name, value in (("episodes", episodes), ("workers", workers)):
        if value < 1:
            raise InputError(f"{name} {value}, wanted at least 1")
    if workers > 1 and not ray:
        start_forkserver()
    limit = {} if max_steps is None else {"max_episode_steps": max_steps}
    recorder = Recorder(env_id, policy, seed, {**(env_options or {}), **limit}, licence)
    try:
        cameras = recorder.cameras()
        height, width = next(iter(cameras.values()))
        recipe = {"env": env_id, "options": dict(env_options or {}), "policy": recorder.policy_name}
        recipe |= {"seed": seed, "max_steps": max_steps}
        spec = recorder.spec
        writer = LeRobotWriter(output, spec.fps, spec, height, width, tuple(cameras), recipe=recipe)
        missing = range(writer.ever_written, episodes)
        played = (record_on_ray if ray else record_in_order)(recorder, missing, workers, writer.pending)
        with _bar(progress) as bar:
            task = bar.add_task("collecting episodes", total=episodes, completed=min(writer.ever_written, episodes))
            for number, recorded in zip(missing, played, strict=True):
                writer.add(recorded.episode, recorded.folder)
                bar.update(task, completed=number + 1)
        writer.close()
    finally:
        recorder.close()
    return Path(output)


def _bar(shown: bool) -> Progress:
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not shown)
