"""Scripted experts for the MuJoCo scenes: state machines that read where things truly are; and Meta-World's own.

Those for pages are people, see `policies.people`.

They know an environment by what its unwrapped object offers: ``privileged_state`` and the name of its class. Each
yields one action per step, and starts over when a step failed, so that a slipped cube is grasped again.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Float32, Float64

from policies.people.scripted_person import ScriptedPerson
from worldmodel.types import InputError, Policy

STEP_M = 0.025  # longest move in a step: half of what the gripper can do, as a careful hand would
ABOVE_M = 0.14  # height at which nothing is in the way
OPEN_M, CLOSED_M = 0.08, 0.0
Action = Float32[np.ndarray, "4"]
Place = Float64[np.ndarray, "3"]


class Expert(ABC):
    """Acts by a plan.

    Args:
        env: a MuJoCo scene of this toolkit, or Meta-World.
        noise: standard deviation of what is added to every action, as a share of its range.
        seed: of the noise.
    """

    def __init__(self, env: gymnasium.Env, noise: float = 0.0, seed: int | None = None) -> None:
        self._env, self._noise = env, noise
        self.reset(seed)

    def reset(self, seed: int | None = None) -> None:
        self._rng = np.random.default_rng(seed)
        self._actions = self._repeat()

    def act(self, observation: Mapping[str, Any]) -> Action:
        action, space = next(self._actions), self._env.action_space
        assert isinstance(space, gymnasium.spaces.Box)
        shaken = action + self._rng.normal(0, 1, 4) * self._noise * (space.high - space.low)
        return np.clip(shaken, space.low, space.high).astype(np.float32)

    @abstractmethod
    def _plan(self) -> Iterator[Action]:
        """One attempt, from wherever things are."""

    def _repeat(self) -> Iterator[Action]:
        while True:
            yield from self._plan()

    @property
    def _at(self) -> dict[str, Float64[np.ndarray, "n"]]:
        return self._env.unwrapped.privileged_state  # pyright: ignore[reportAttributeAccessIssue]

    def _towards(self, goal: Place, opening: float) -> Action:
        """Moves the place that the hand is drawn to by one step at most."""
        way = np.clip(goal - self._at["target"], -STEP_M, STEP_M)
        return np.array([*way, opening], np.float32)

    def _go(self, goal: Place, opening: float, near: float = 0.008, steps: int = 40) -> Iterator[Action]:
        """Goes straight to a place, for so many steps at most."""
        for _ in range(steps):
            yield self._towards(goal, opening)
            if np.linalg.norm(goal - self._at["hand"]) < near:
                return

    def _fly(self, goal: Place, opening: float) -> Iterator[Action]:
        """Goes up, across, and down to a place."""
        hand = self._at["hand"]
        if np.linalg.norm(goal[:2] - hand[:2]) > 0.01:
            yield from self._go(np.array([*hand[:2], ABOVE_M]), opening, near=0.02)
            yield from self._go(np.array([*goal[:2], ABOVE_M]), opening, near=0.015)
        yield from self._go(goal, opening)

    def _hold(self, opening: float, steps: int) -> Iterator[Action]:
        for _ in range(steps):
            yield self._towards(self._at["target"], opening)


class TablePushExpert(Expert):
    """Comes down behind the block, as seen from the mark, and pushes; goes round again when it has left the line."""

    BEHIND_M, PUSH_Z_M = 0.09, 0.03
    OFF_LINE_M = 0.035
    CLOSE_ENOUGH_M = 0.01

    def _plan(self) -> Iterator[Action]:
        forward, _ = self._line()
        behind = self._at["block"][:2] - self.BEHIND_M * forward
        yield from self._fly(np.array([*behind, self.PUSH_Z_M]), CLOSED_M)
        for _ in range(60):
            forward, left = self._line()
            offset = self._at["block"][:2] - self._at["hand"][:2]
            aside = offset - (offset @ forward) * forward
            if left < self.CLOSE_ENOUGH_M or offset @ forward < 0 or np.linalg.norm(aside) > self.OFF_LINE_M:
                return
            goal = self._at["hand"][:2] + min(0.03, left + 0.015) * forward + aside
            yield self._towards(np.array([*goal, self.PUSH_Z_M]), CLOSED_M)

    def _line(self) -> tuple[Float64[np.ndarray, "2"], float]:
        """Direction and distance from block to mark."""
        way = (self._at["mark"] - self._at["block"])[:2]
        left = float(np.linalg.norm(way))
        return way / max(left, 1e-6), left


class PickPlaceExpert(Expert):
    """Grasps the cube from above, carries it over the bin, lets go and rises."""

    CUBE_M, HELD_ABOVE_M, DROP_M = 0.022, 0.07, 0.075

    def _plan(self) -> Iterator[Action]:
        cube = self._at["cube"].copy()
        yield from self._fly(np.array([*cube[:2], self.CUBE_M]), OPEN_M)
        yield from self._hold(CLOSED_M, 4)
        yield from self._go(np.array([*cube[:2], ABOVE_M]), CLOSED_M, near=0.02)
        if self._at["cube"][2] < self.HELD_ABOVE_M:
            return
        container = self._at["bin"].copy()
        yield from self._go(np.array([*container[:2], ABOVE_M]), CLOSED_M)
        yield from self._go(np.array([*container[:2], self.DROP_M]), CLOSED_M)
        yield from self._hold(OPEN_M, 3)
        yield from self._go(np.array([*container[:2], ABOVE_M]), OPEN_M)


class DrawerExpert(Expert):
    """Hooks the closed fingers behind the bar and pulls, or sets them before it and pushes."""

    HOOK_M, BEFORE_M = 0.026, 0.035
    MOVE_M = 0.03

    def _plan(self) -> Iterator[Action]:
        side = 1 if self._env.get_wrapper_attr("task") == "open" else -1
        gap = self.HOOK_M if side == 1 else self.BEFORE_M
        yield from self._fly(self._at["handle"] + (0, side * gap, 0), CLOSED_M)
        for _ in range(20):
            if abs(self._at["handle"][1] + side * gap - self._at["hand"][1]) > 0.03:
                return  # slipped off
            goal = np.array([self._at["handle"][0], self._at["hand"][1] - side * self.MOVE_M, self._at["handle"][2]])
            yield self._towards(goal, CLOSED_M)


class MetaWorldExpert(Expert):
    """Meta-World's own expert for the task."""

    def _plan(self) -> Iterator[Action]:
        from metaworld.policies import ENV_POLICY_MAP  # there, since its environment is

        # Told with every long move, which is cut as it should be.
        warnings.filterwarnings("ignore", r"Constant\(s\) may be too high", UserWarning)
        expert = ENV_POLICY_MAP[self._env.get_wrapper_attr("task")]()
        while True:
            yield expert.get_action(self._at["observation"])


EXPERTS: dict[str, Callable[[gymnasium.Env, float, int | None], Policy]] = {
    "TablePush": TablePushExpert,
    "PickPlace": PickPlaceExpert,
    "Drawer": DrawerExpert,
    "MetaWorld": MetaWorldExpert,
    "Browser": ScriptedPerson,
}


def make_expert(env: gymnasium.Env, noise: float = 0.0, seed: int | None = None) -> Policy:
    """Makes the expert of an environment; see `Expert`, and `policies.people` for pages.

    Raises:
        InputError: there is none for this environment, or none for its task.
    """
    name = type(env.unwrapped).__name__
    if name not in EXPERTS:
        raise InputError(f"expert: there is none for {name}, wanted one of: {', '.join(EXPERTS)}")
    return EXPERTS[name](env, noise, seed)
