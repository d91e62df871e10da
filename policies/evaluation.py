"""Scores policies in environments: many of them in lockstep, so that a model thinks for all at once."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import Any, Protocol, runtime_checkable

import gymnasium
import numpy as np
from jaxtyping import Float32, UInt8
from rich.progress import Progress

from worldmodel.metrics import bootstrap_ci95, wilson_ci95
from worldmodel.panels import Film
from worldmodel.types import InputError, Policy

Observation = Mapping[str, Any]
Action = Float32[np.ndarray, "a"]


@runtime_checkable
class BatchPolicy(Protocol):
    """Controls several environments at once; they are told apart by their number."""

    def reset(self, seeds: Sequence[int]) -> None:
        """A new episode begins in each of ``len(seeds)`` environments."""
        ...

    def act(self, observations: Mapping[int, Observation]) -> Mapping[int, Action]:
        """Returns an action for every environment in ``observations``; those that have finished are not in it."""
        ...


class OnePolicyEach:
    """Lets policies that control one environment pass as one that controls many.

    Args:
        policies: one for every environment.
    """

    def __init__(self, policies: Sequence[Policy]) -> None:
        self.policies = policies

    def reset(self, seeds: Sequence[int]) -> None:
        for policy, seed in zip(self.policies, seeds, strict=True):
            policy.reset(seed)

    def act(self, observations: Mapping[int, Observation]) -> dict[int, Action]:
        return {number: self.policies[number].act(observation) for number, observation in observations.items()}


MakeBatchPolicy = Callable[[Sequence[gymnasium.Env]], BatchPolicy]


def one_each(make_policy: Callable[[gymnasium.Env], Policy]) -> MakeBatchPolicy:
    """Turns a maker of policies for one environment into what `evaluate_policy` takes."""
    return lambda envs: OnePolicyEach([make_policy(env) for env in envs])


@dataclass
class PolicyEpisode:
    """What happened in an episode.

    Attributes:
        seed: of the environment and of the policy.
        rewards: earned step by step.
        success: the environment said so at some step.
        frames: the pictures seen, one more than rewards; empty where they were not recorded.
    """

    seed: int
    rewards: list[float] = field(default_factory=list)
    success: bool = False
    frames: list[UInt8[np.ndarray, "h w 3"]] = field(default_factory=list)

    @property
    def score(self) -> float:
        """Best reward of the episode."""
        return max(self.rewards)

    def film(self, fps: float) -> Film:
        """The recorded pictures, for a report."""
        return Film(f"seed {self.seed}, score {self.score:.2f}", np.stack(self.frames), fps)


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
        make_policy: makes the policy for a list of environments; see `one_each`.
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
            group, group_seconds = _run(make_env, make_policy, seeds, max_steps, kept, lambda: bar.advance(task))
            done += group
            seconds += group_seconds
    metrics = _summarise(done, seconds, min(parallel, episodes))
    if references:
        options: dict[str, Any] = {"episodes": episodes, "seed0": seed0, "max_steps": max_steps, "parallel": parallel}
        metrics["references"] = {
            name: evaluate_policy(make_env, maker, progress=progress, **options)[0]
            for name, maker in references.items()
        }
    return metrics, done


def _run(
    make_env: Callable[[], gymnasium.Env],
    make_policy: MakeBatchPolicy,
    seeds: Sequence[int],
    max_steps: int,
    record: int,
    on_end: Callable[[], None],
) -> tuple[list[PolicyEpisode], float]:
    """Runs one episode per seed in lockstep; returns them and the seconds that the policy took."""
    episodes = [PolicyEpisode(seed) for seed in seeds]
    envs = [make_env() for _ in seeds]
    seconds = 0.0
    try:
        running = {number: env.reset(seed=seed)[0] for number, (env, seed) in enumerate(zip(envs, seeds, strict=True))}
        for number in range(min(record, len(envs))):
            episodes[number].frames.append(picture(running[number]))
        policy = make_policy(envs)
        policy.reset(seeds)
        while running:
            started = time.perf_counter()
            actions = policy.act(running)
            seconds += time.perf_counter() - started
            for number in list(running):
                episode = episodes[number]
                action = _checked(actions[number], envs[number])
                running[number], reward, terminated, truncated, info = envs[number].step(action)
                episode.rewards.append(float(reward))
                episode.success |= bool(info.get("is_success", False))
                if number < record:
                    episode.frames.append(picture(running[number]))
                if terminated or truncated or len(episode.rewards) >= max_steps:
                    del running[number]
                    on_end()
    finally:
        for env in envs:
            env.close()
    return episodes, seconds


def picture(observation: Observation, camera: str | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """Returns an observation's picture; of several cameras the named or the first one."""
    pixels = observation["pixels"]
    if isinstance(pixels, Mapping):
        return pixels[camera] if camera else next(iter(pixels.values()))
    return pixels


def _checked(action: np.ndarray, env: gymnasium.Env) -> np.ndarray:
    action = np.asarray(action)
    if action.shape != env.action_space.shape or not np.isfinite(action).all():
        raise InputError(f"policy: action {action.tolist()}, wanted finite numbers of shape {env.action_space.shape}")
    return action


def _summarise(episodes: Sequence[PolicyEpisode], seconds: float, parallel: int) -> dict[str, Any]:
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
