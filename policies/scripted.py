"""Scripted policies: random actions, explorers of Push-T and of web pages, and experts by name.

The explorer reads the simulator's true state from the environment it is made with (`state` of the unwrapped
environment); learned policies see only the observation.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Float32, Float64

from policies import pusht_geometry as geometry
from policies.experts import make_expert
from policies.people.wanderer import WanderingPerson
from policies.pusht_geometry import AROUND_PX, CANVAS_PX, MIDDLE_PX, PUSHER_PX, WALL_PX, Point, rotation, unit
from worldmodel.data.screen import SCREEN
from worldmodel.types import InputError, Policy

SCRIPTED = ("random", "idle", "explore", "expert", "noisy-expert", "wander")
EXPERT_NOISE = 0.1  # standard deviation, of an action's range
REACH_PX = 80.0  # longest distance between pusher and target


class RandomPolicy:
    """Draws every action uniformly from a box.

    Args:
        space: the environment's action space.
        seed: makes the draws repeatable.
    """

    def __init__(self, space: gymnasium.spaces.Box, seed: int | None = None) -> None:
        self._low, self._high = space.low.astype(np.float64), space.high.astype(np.float64)
        self.reset(seed)

    def reset(self, seed: int | None = None) -> None:
        self._rng = np.random.default_rng(seed)

    def act(self, observation: Mapping[str, Any]) -> Float32[np.ndarray, "a"]:
        return self._rng.uniform(self._low, self._high).astype(np.float32)


class IdlePolicy:
    """Leaves the pointer of a screen where it is, and touches nothing.

    Args:
        env: an environment whose body is that of who sits before a screen (`worldmodel.data.screen`).
    """

    def __init__(self, env: gymnasium.Env) -> None:
        body = getattr(env.unwrapped, "embodiment", None)
        if getattr(body, "name", None) != SCREEN.name:
            raise InputError(f"idle: {type(env.unwrapped).__name__} is no screen, wanted one with a pointer")
        self._size = len(SCREEN.action)

    def reset(self, seed: int | None = None) -> None:
        pass

    def act(self, observation: Mapping[str, Any]) -> Float32[np.ndarray, "a"]:
        action = np.zeros(self._size, np.float32)
        action[:2] = observation["agent_pos"]
        return action


class ExploringPolicy:
    """Pushes the block from all sides: long and short pushes, curves, taps, scrubbing, free motion and pauses.

    Its target travels along a path at hand speed, as a person's mouse does, and the pusher trails it.

    Args:
        env: a Push-T environment; its unwrapped object offers ``state`` (pusher x y, block x y, angle).
        seed: makes the behaviour repeatable, given the environment's own seed.
    """

    def __init__(self, env: gymnasium.Env, seed: int | None = None) -> None:
        if not hasattr(type(env.unwrapped), "state"):
            raise InputError(f"explore: {type(env.unwrapped).__name__} has no attribute 'state', wanted Push-T")
        self._env = env
        self.reset(seed)

    def reset(self, seed: int | None = None) -> None:
        self._rng = np.random.default_rng(seed)
        self._targets = self._wander()

    def act(self, observation: Mapping[str, Any]) -> Float32[np.ndarray, "2"]:
        return next(self._targets).astype(np.float32)

    # What the world looks like now.

    @property
    def _state(self) -> Float64[np.ndarray, "5"]:
        return self._env.unwrapped.state  # pyright: ignore[reportAttributeAccessIssue]

    @property
    def _pusher(self) -> Point:
        return self._state[:2]

    def _to_world(self, points: Float64[np.ndarray, "*n 2"]) -> Float64[np.ndarray, "*n 2"]:
        return geometry.block_to_world(points, self._state)

    # What to do: every method below yields one target per step.

    def _wander(self) -> Iterator[Point]:
        self._carrot = self._pusher.copy()
        acts: list[tuple[float, Callable[[], Iterator[Point]]]] = [
            (0.54, self._push),
            (0.14, self._tap),
            (0.14, self._scrub),
            (0.08, self._chase),
            (0.06, self._roam),
            (0.04, self._pause),
        ]
        shares = [share for share, _ in acts]
        while True:
            yield from acts[self._rng.choice(len(acts), p=shares)][1]()

    def _push(self) -> Iterator[Point]:
        """A push of 30-260 px: straight, curved, or aimed at a point of the block as it turns away."""
        start, inward, place = self._choose_contact()
        yield from self._approach(start)
        heading = rotation(self._rng.normal(0, 0.35)) @ inward
        turn = self._rng.choice([0.0, self._rng.normal(0, 0.05)])
        steer = self._rng.random() < 0.4
        speed, length = self._rng.uniform(4, 20), self._rng.uniform(30, 260)
        for _ in range(int(length / speed) + 1):
            if steer:
                ahead = self._to_world(place) - self._pusher
                heading = unit(0.7 * heading + 0.3 * unit(ahead)) if np.linalg.norm(ahead) > PUSHER_PX else heading
            heading = rotation(turn) @ heading
            wanted = self._carrot + speed * heading
            lost = self._gap(self._pusher) > 3 * PUSHER_PX
            if lost or np.any(wanted < WALL_PX) or np.any(wanted > CANVAS_PX - WALL_PX):
                return
            yield self._step_towards(wanted, speed)

    def _tap(self) -> Iterator[Point]:
        """One to four short blows at the same side."""
        start, inward, _ = self._choose_contact()
        yield from self._approach(start)
        for _ in range(self._rng.integers(1, 5)):
            yield from self._line(self._pusher + inward * self._rng.uniform(35, 70), self._rng.uniform(8, 26))
            yield from self._line(self._pusher - inward * self._rng.uniform(10, 40), self._rng.uniform(6, 20))

    def _scrub(self) -> Iterator[Point]:
        """Follows the outline, leaning on it, for a while."""
        start, _, _ = self._choose_contact()
        yield from self._approach(start)
        side, speed, lean = self._rng.choice([-1.0, 1.0]), self._rng.uniform(5, 18), self._rng.uniform(0.1, 0.9)
        for _ in range(self._rng.integers(8, 30)):
            inward = unit(geometry.nearest_edge(self._state, self._pusher) - self._pusher)
            along = side * np.array((-inward[1], inward[0]))
            yield self._step_towards(self._carrot + speed * unit(along + lean * inward), speed)

    def _chase(self) -> Iterator[Point]:
        """Runs straight through the block's place from wherever the pusher is."""
        aim = self._to_world(self._rng.uniform((-55, 5), (55, 110)))
        beyond = aim + unit(aim - self._pusher) * self._rng.uniform(20, 160)
        yield from self._line(beyond, self._rng.uniform(6, 30))

    def _roam(self) -> Iterator[Point]:
        """One or two stretches of free motion, with changes of direction."""
        for _ in range(self._rng.integers(1, 3)):
            yield from self._line(self._rng.uniform(WALL_PX, CANVAS_PX - WALL_PX, 2), self._rng.uniform(8, 36))

    def _pause(self) -> Iterator[Point]:
        for _ in range(self._rng.integers(2, 9)):
            yield self._step_towards(self._carrot, 0.0)

    # How to get there.

    def _choose_contact(self) -> tuple[Point, Point, Point]:
        """Draws a place on the outline.

        Sides that push a block away from a near wall, and sides near the pusher, are likelier.

        Returns:
            Where to start from, the direction into the block (both on the canvas), the place in the block's own frame.
        """
        places, normals = geometry.sample_outline(self._rng, count=24)
        worlds = self._to_world(places)
        inwards = -(self._to_world(normals) - self._to_world(np.zeros(2)))
        starts = worlds - inwards * (PUSHER_PX + 5)
        offset = np.full(2, CANVAS_PX / 2) - self._to_world(MIDDLE_PX)
        outside = np.any((starts < WALL_PX) | (starts > CANVAS_PX - WALL_PX), axis=1)
        centring = 4.0 * (np.linalg.norm(offset) / 150) ** 2 * (inwards @ unit(offset))
        nearness = np.linalg.norm(starts - self._pusher, axis=1) / 120
        score = centring - nearness * self._rng.choice([0.0, 2.0]) - 50.0 * outside
        chances = np.exp(score - score.max())
        choice = self._rng.choice(len(places), p=chances / chances.sum())
        return starts[choice], inwards[choice], places[choice]

    def _approach(self, goal: Point) -> Iterator[Point]:
        """Goes to a place beside the block, round it if it is in the way (sometimes carelessly through it)."""
        speed = self._rng.uniform(12, 32)
        if self._rng.random() < 0.85:
            for _ in range(40):
                if not self._crosses_block(self._pusher, goal):
                    break
                middle = self._to_world(MIDDLE_PX)
                here, there = self._pusher - middle, goal - middle
                swing = np.arctan2(here[0] * there[1] - here[1] * there[0], here @ there)
                step = rotation(float(np.clip(swing, -0.5, 0.5))) @ unit(here)
                yield self._step_towards(middle + AROUND_PX * step, speed)
        yield from self._line(goal, speed)

    def _line(self, goal: Point, speed: float) -> Iterator[Point]:
        goal = np.clip(goal, WALL_PX, CANVAS_PX - WALL_PX)
        for _ in range(int(np.linalg.norm(goal - self._carrot) / speed) + 2):
            yield self._step_towards(goal, speed)
            if np.linalg.norm(goal - self._carrot) < 1.0:
                return

    def _step_towards(self, goal: Point, speed: float) -> Point:
        """Moves the target by at most ``speed`` px and returns it with a hand's tremor."""
        way = goal - self._carrot
        move = way * min(1.0, speed / max(float(np.linalg.norm(way)), 1e-6))
        self._carrot = self._carrot + move
        # The carrot may not run away from a pusher that is held back.
        gap = self._carrot - self._pusher
        self._carrot = self._pusher + gap * min(1.0, REACH_PX / max(float(np.linalg.norm(gap)), 1e-6))
        tremor = self._rng.normal(0, 0.5 + 0.04 * speed, 2)
        return np.clip(self._carrot + tremor, 0.0, CANVAS_PX)

    def _gap(self, point: Point) -> float:
        """Distance from a point to the block's outline."""
        return float(np.linalg.norm(geometry.nearest_edge(self._state, point) - point))

    def _crosses_block(self, start: Point, end: Point) -> bool:
        shares = np.linspace(0.0, 1.0, 9)[1:-1]
        return any(self._gap(start + share * (end - start)) < PUSHER_PX + 2 for share in shares)


def make_policy(name: str, env: gymnasium.Env, seed: int | None = None) -> Policy:
    """Makes a scripted policy for an environment.

    Args:
        name: ``"random"``; ``"idle"``, for screens; ``"explore"``, for Push-T; ``"wander"``, for web pages;
            ``"expert"`` or ``"noisy-expert"``, for the MuJoCo scenes, Meta-World and tasks of MiniWoB++, the latter
            with ``":0.3"`` behind it for another standard deviation of its noise (in ranges of the actions; for pages,
            what it adds to the chance of a miss).
        env: the one that it will act in.
        seed: makes it repeatable.

    Raises:
        InputError: no such policy, or the policy does not fit the environment.
    """
    if name == "idle":
        return IdlePolicy(env)
    if name == "explore":
        return ExploringPolicy(env, seed)
    if name == "wander":
        return WanderingPerson(env, seed)
    if name == "expert":
        return make_expert(env)
    if name.partition(":")[0] == "noisy-expert":
        return make_expert(env, noise=_noise(name), seed=seed)
    if name == "random":
        if not isinstance(env.action_space, gymnasium.spaces.Box):
            raise InputError(f"random: action space is {env.action_space}, wanted a Box")
        return RandomPolicy(env.action_space, seed)
    raise InputError(f"policy {name!r} is unknown, wanted one of: {', '.join(SCRIPTED)}")


def _noise(name: str) -> float:
    _, colon, level = name.partition(":")
    try:
        noise = float(level) if colon else EXPERT_NOISE
    except ValueError:
        noise = np.nan
    if not 0.0 <= noise < np.inf:
        raise InputError(f"policy {name!r}: noise {level!r}, wanted a number from 0 on")
    return noise


def fitting(names: Iterable[str], env: gymnasium.Env) -> list[str]:
    """Returns those scripted policies that can act in an environment."""
    kept = []
    for name in names:
        try:
            make_policy(name, env)
        except InputError:
            continue
        kept.append(name)
    return kept
