"""Plays policies where they count and in a dream of the same place, from the same first frames."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv
from jaxtyping import UInt8
from rich.progress import Progress

from policies.batch import Action, MakeBatchPolicy, Observation, picture
from policies.episodes import PolicyEpisode, play
from policies.evaluation import evaluate_policy, summarise
from policies.worlds import VectorWorlds
from worldmodel.agreement import agreement
from worldmodel.types import InputError

MakeDreams = Callable[[Sequence[UInt8[np.ndarray, "h w 3"]]], VectorEnv]


@dataclass(frozen=True)
class Contender:
    """A policy to be scored.

    Attributes:
        name: for people.
        make: makes it for a list of environments.
        again: in the dream it does again what it did in the true environment, since it reads the true state, which a
            dream does not have.
    """

    name: str
    make: MakeBatchPolicy
    again: bool = False


@dataclass(frozen=True)
class Scored:
    """What a policy did, the same seeds in the same order on both sides."""

    true: Sequence[PolicyEpisode]
    dream: Sequence[PolicyEpisode]


class Again:
    """Does what was done in episodes that were played before; a `policies.batch.BatchPolicy`.

    Args:
        episodes: one for every environment.
    """

    def __init__(self, episodes: Sequence[PolicyEpisode]) -> None:
        self._left = [deque(episode.actions) for episode in episodes]

    def reset(self, seeds: Sequence[int]) -> None:
        """Nothing is left to chance."""

    def act(self, observations: Mapping[int, Observation]) -> dict[int, Action]:
        return {number: self._left[number].popleft() for number in observations}


def score_policies(
    contenders: Sequence[Contender],
    make_env: Callable[[], gymnasium.Env],
    make_dreams: MakeDreams,
    *,
    episodes: int = 50,
    seed0: int = 1000,
    max_steps: int = 200,
    record: int = 0,
    progress: bool = False,
) -> tuple[dict[str, Any], dict[str, Scored]]:
    """Scores every policy in the true environment and in the dream, and how far the two agree.

    Args:
        contenders: with different names; the more their skill differs, the more the comparison tells.
        make_env: makes the true environment, with dict observations.
        make_dreams: makes a vector environment of dreams that begin with the given pictures, in their order; its
            ``reset`` takes ``options["starts"]``.
        episodes: of every policy on either side; seeds are seed0, seed0 + 1, ...
        seed0: first seed.
        max_steps: an episode ends here at the latest.
        record: keep the pictures of the first so many episodes.
        progress: show progress bars.

    Returns:
        The measures: ``policies`` by name, each with ``true`` and ``dream`` as `evaluate_policy` returns them,
        ``again`` and ``same_verdict`` (share of episodes on whose success both sides agree), and the measures of
        `worldmodel.agreement.agreement` on success rates, and under ``mean_score`` on the means of the best rewards,
        which tell more where nobody succeeds. And what was played, by name.

    Raises:
        InputError: no policy, two of one name, or what `evaluate_policy` raises.
    """
    if not contenders or len({contender.name for contender in contenders}) < len(contenders):
        names = ", ".join(contender.name for contender in contenders) or "none"
        raise InputError(f"policies: found {names}; wanted at least one, each once")
    metrics: dict[str, Any] = {}
    played: dict[str, Scored] = {}
    options: dict[str, Any] = {"episodes": episodes, "seed0": seed0, "max_steps": max_steps, "record": record}
    env = make_env()
    dreams = make_dreams([picture(env.reset(seed=seed0 + number)[0]).copy() for number in range(episodes)])
    try:
        with Progress(disable=not progress) as bar:
            task = bar.add_task("scoring policies", total=len(contenders))
            for contender in contenders:
                bar.update(task, description=f"scoring {contender.name}")
                true, seen = evaluate_policy(make_env, contender.make, **options)
                dream, dreamed = _in_dream(contender, env, dreams, seen, max_steps, record)
                same = [one.success == other.success for one, other in zip(seen, dreamed, strict=True)]
                result = {"true": true, "dream": dream, "again": contender.again, "same_verdict": float(np.mean(same))}
                metrics[contender.name], played[contender.name] = result, Scored(seen, dreamed)
                bar.advance(task)
    finally:
        env.close()
        dreams.close()
    sides = {
        measure: [[result[side][measure] for result in metrics.values()] for side in ("true", "dream")]
        for measure in ("success_rate", "mean_score")
    }
    measures = {**agreement(*sides["success_rate"]), "mean_score": agreement(*sides["mean_score"])}
    return {"policies": metrics, **measures}, played


def _in_dream(
    contender: Contender,
    env: gymnasium.Env,
    dreams: VectorEnv,
    seen: Sequence[PolicyEpisode],
    max_steps: int,
    record: int,
) -> tuple[dict[str, Any], list[PolicyEpisode]]:
    """Plays in the dream from the first frames of the episodes that were seen in the true environment."""
    make = (lambda: Again(seen)) if contender.again else (lambda: contender.make([env] * len(seen)))
    limits = [len(episode.actions) if contender.again else max_steps for episode in seen]
    worlds = VectorWorlds(dreams, {"starts": range(len(seen))})
    episodes, seconds = play(worlds, make, [one.seed for one in seen], max_steps=limits, record=record)
    return summarise(episodes, seconds, len(episodes)), episodes
