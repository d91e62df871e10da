"""Plays several episodes in lockstep, and keeps what is needed to score, replay and show them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

from policies.batch import Action, BatchPolicy, picture
from policies.worlds import Worlds
from worldmodel.panels import Film
from worldmodel.types import InputError


@dataclass
class PolicyEpisode:
    """What happened in an episode.

    Attributes:
        seed: of the environment and of the policy.
        actions: taken step by step.
        rewards: earned step by step.
        success: the environment said so at some step.
        frames: the pictures seen, one more than rewards; empty where they were not recorded.
    """

    seed: int
    actions: list[Action] = field(default_factory=list)
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


def play(
    worlds: Worlds,
    make_policy: Callable[[], BatchPolicy],
    seeds: Sequence[int],
    *,
    max_steps: int | Sequence[int],
    record: int = 0,
    on_end: Callable[[], None] = lambda: None,
) -> tuple[list[PolicyEpisode], float]:
    """Plays one episode per seed.

    Args:
        worlds: where; a place for every seed.
        make_policy: makes who acts, after the episodes have begun.
        seeds: of episodes and policy.
        max_steps: an episode ends here at the latest; a number for each, or one for all.
        record: keep the pictures of the first so many.
        on_end: called at the end of every episode.

    Returns:
        The episodes, and the seconds that the policy took.

    Raises:
        InputError: an action of the wrong shape or not finite.
    """
    episodes = [PolicyEpisode(seed) for seed in seeds]
    limits = [max_steps] * len(seeds) if isinstance(max_steps, int) else max_steps
    running, seconds = worlds.reset(seeds), 0.0
    for number in range(min(record, len(seeds))):
        episodes[number].frames.append(picture(running[number]).copy())
    policy = make_policy()
    policy.reset(seeds)
    while running:
        started = time.perf_counter()
        chosen = policy.act(running)
        seconds += time.perf_counter() - started
        actions = {number: _checked(chosen[number], worlds.action_shape) for number in running}
        for number, outcome in worlds.step(actions).items():
            episode = episodes[number]
            episode.actions.append(actions[number])
            episode.rewards.append(outcome.reward)
            episode.success |= outcome.success
            running[number] = outcome.observation
            if number < record:
                episode.frames.append(picture(outcome.observation).copy())
            if outcome.over or len(episode.rewards) >= limits[number]:
                del running[number]
                on_end()
    return episodes, seconds


def _checked(action: Action, shape: tuple[int, ...]) -> Action:
    action = np.asarray(action)
    if action.shape != shape or not np.isfinite(action).all():
        raise InputError(f"policy: action {action.tolist()}, wanted finite numbers of shape {shape}")
    return action
