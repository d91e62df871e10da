"""Policies that control several environments at once, so that a model thinks for all of them together."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import gymnasium
import numpy as np
from jaxtyping import Float32, UInt8

from worldmodel.types import Policy

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


MakeBatchPolicy = Callable[[Sequence[gymnasium.Env]], BatchPolicy]


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


def one_each(make_policy: Callable[[gymnasium.Env], Policy]) -> MakeBatchPolicy:
    """Turns a maker of policies for one environment into a maker of one policy for many."""
    return lambda envs: OnePolicyEach([make_policy(env) for env in envs])


class Alone:
    """Lets a policy that controls many environments pass as one that controls a single one.

    Args:
        policy: the one for many.
    """

    def __init__(self, policy: BatchPolicy) -> None:
        self.policy = policy

    def reset(self, seed: int | None = None) -> None:
        self.policy.reset([seed or 0])

    def act(self, observation: Observation) -> Action:
        return self.policy.act({0: observation})[0]


def picture(observation: Observation, camera: str | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """Returns an observation's picture; of several cameras the named or the first one."""
    pixels = observation["pixels"]
    if isinstance(pixels, Mapping):
        return pixels[camera] if camera else next(iter(pixels.values()))
    return pixels
