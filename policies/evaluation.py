"""Scores a policy in an environment: many episodes in lockstep, beside policies to compare it with."""

from collections.abc import Callable, Mapping, Sequence
from itertools import batched
from typing import Any

import gymnasium
import numpy as np
from rich.progress import Progress

from policies.batch import MakeBatchPolicy
from policies.episodes import PolicyEpisode, play
from policies.worlds import SeparateWorlds
from worldmodel.metrics import bootstrap_ci95, wilson_ci95
from worldmodel.types import InputError


def evaluate_policy(
    make_env: Callable[[], gymnasium.Env],
    make_policy: MakeBatchPolicy,
    *,
    episodes: int = 50,
    seed0: int = 1000,
    max_steps: int = 300,
    parallel: int = 50,
    record: int = 0,
    references: Mapping[str, MakeBatchPolicy] | None = None,
    progress: bool = False,
) -> tuple[dict[str, Any], list[PolicyEpisode]]:
    """Runs a policy for some episodes and scores each by its best reward.

    ``ms_per_action`` is the time that the policy took, spread over all actions of all environments of a batch.

    Args:
        make_env: makes an environment with dict observations.
        make_policy: makes the policy for a list of environments; see `policies.batch.one_each`.
        episodes: their number; seeds are seed0, seed0 + 1, ...
        seed0: first seed.
        max_steps: an episode ends here at the latest.
        parallel: environments at once.
        record: keep the pictures of the first so many episodes.
        references: makers of policies to compare with, on the same seeds, by name.
        progress: show progress bars.

    Returns:
        What metrics.json holds under ``policy``, and the episodes.

    Raises:
        InputError: fewer than one episode, or an action of the wrong shape or not finite.
    """
    if min(episodes, max_steps, parallel) < 1:
        found = f"{episodes} episodes of {max_steps} steps, {parallel} at once"
        raise InputError(f"evaluation: {found}; wanted at least 1 of each")
    done: list[PolicyEpisode] = []
    seconds = 0.0
    with Progress(disable=not progress) as bar:
        task = bar.add_task("acting", total=episodes)
        for seeds in batched(range(seed0, seed0 + episodes), parallel):
            kept = max(0, record - len(done))
            envs = [make_env() for _ in seeds]
            try:
                options: dict[str, Any] = {"max_steps": max_steps, "record": kept, "on_end": lambda: bar.advance(task)}
                group, spent = play(SeparateWorlds(envs), lambda envs=envs: make_policy(envs), seeds, **options)
            finally:
                for env in envs:
                    env.close()
            done += group
            seconds += spent
    metrics = summarise(done, seconds, min(parallel, episodes))
    if references:
        options = {"episodes": episodes, "seed0": seed0, "max_steps": max_steps, "parallel": parallel}
        metrics["references"] = {
            name: evaluate_policy(make_env, maker, progress=progress, **options)[0]
            for name, maker in references.items()
        }
    return metrics, done


def summarise(episodes: Sequence[PolicyEpisode], seconds: float, parallel: int) -> dict[str, Any]:
    """What metrics.json holds of a policy.

    Args:
        episodes: played.
        seconds: that the policy took for all of them.
        parallel: episodes at once.
    """
    scores = [episode.score for episode in episodes]
    successes = sum(episode.success for episode in episodes)
    return {
        "success_rate": successes / len(episodes),
        "success_ci95": wilson_ci95(successes, len(episodes)),
        "mean_score": float(np.mean(scores)),
        "ci95": bootstrap_ci95(scores),
        "ms_per_action": 1000.0 * seconds / sum(len(episode.rewards) for episode in episodes),
        "episodes": len(episodes),
        "parallel": parallel,
        "seed0": episodes[0].seed,
        "scores": scores,
    }
