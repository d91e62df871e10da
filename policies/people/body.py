"""A person's hands: what they do to mouse and keyboard, an action of 0.1 s at a time."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float32

from policies.people.motion import Point, movement_ticks, reach, stroke
from policies.people.page_reader import Thing
from worldmodel.data.screen import KEYS, SCREEN

MISS, TYPO, FALTER = 0.08, 0.02, 0.08  # how often a usual person lands beside, types a wrong letter, stops at a key
LETTERS = "abcdefghijklmnopqrstuvwxyz"
Action = Float32[np.ndarray, "a"]
Actions = Iterator[Action]


class Body:
    """Moves one pointer and types, with a pace and a care of its own, drawn from the seed.

    Args:
        screen: width and height of what it moves on, px.
        seed: of everything it draws.
        noise: what is added to the chance that a movement misses, and a quarter of it to that of a wrong key; also the
            chance that a movement that missed is followed by a click there.

    Attributes:
        place: where the pointer is, px (2,).
        rng: draws what its owner draws, too.
    """

    def __init__(self, screen: tuple[int, int], seed: int | None = None, noise: float = 0.0) -> None:
        self._last = np.asarray(screen, np.float64) - 0.5
        self.rng, self._noise = np.random.default_rng(seed), noise
        self.place: Point = np.zeros(2)
        self._pace = float(np.exp(self.rng.normal(0, 0.2)))

    def feel(self, observation: Mapping[str, Any]) -> None:
        """Takes in where the pointer is."""
        seen = np.asarray(observation["agent_pos"], np.float64)
        if (np.floor(self.place) != seen).any():
            self.place = seen + 0.5

    # Every method below yields the actions of one thing that it does.

    def wait(self, ticks: int) -> Actions:
        """Does nothing."""
        for _ in range(ticks):
            yield self._action()

    def hesitate(self) -> Actions:
        """The time to see what is next."""
        yield from self.wait(int(self.rng.choice(3, p=(0.6, 0.3, 0.1))))

    def go(self, thing: Thing) -> Actions:
        """Moves onto an element that is in sight."""
        place, room = self._aim(thing)
        yield from self.go_to(place, room)

    def go_to(self, place: Point, room: float, **held: float) -> Actions:
        """Moves to a place, perhaps beside it first.

        Args:
            place: px.
            room: how far around it is as good, px.
            held: buttons that are down, such as ``left=1``; with them it does not miss.
        """
        miss = not held and self.rng.random() < MISS + self._noise
        path, correction = reach(self.rng, self.place, place, 2 * room, self._pace, miss)
        yield from self._follow(path, **held)
        if len(correction):
            if self.rng.random() < self._noise:
                yield from self.press()
            yield from self.wait(int(self.rng.integers(1, 3)))
            yield from self._follow(correction, **held)

    def press(self, button: str = "left", **held: float) -> Actions:
        """Clicks where the pointer is."""
        yield self._action(**{button: 1.0}, **held)
        yield self._action(**held)

    def click(self, thing: Thing, button: str = "left", times: int = 1) -> Actions:
        """Moves onto an element and clicks it, once or more."""
        yield from self.hesitate()
        yield from self.go(thing)
        for _ in range(times):
            yield from self.press(button)

    def drag(self, thing: Thing, way: Point) -> Actions:
        """Takes an element and puts it down so far right and down, px."""
        yield from self.hesitate()
        yield from self.go(thing)
        yield from self.carry(self.place + way)

    def drag_to(self, thing: Thing, end: Point) -> Actions:
        """Takes an element and puts it down with the pointer at a place, px."""
        yield from self.hesitate()
        yield from self.go(thing)
        yield from self.carry(end)

    def carry(self, end: Point, room: float = 4.0) -> Actions:
        """Takes what is below the pointer to a place, px."""
        yield self._action(left=1.0)
        yield from self.go_to(end, room, left=1.0)
        if self.rng.random() < 0.5:
            yield self._action(left=1.0)
        yield self._action()

    def type(self, text: str) -> Actions:
        """Types, a key a tick, with pauses and wrong letters that are taken back."""
        for sign in text:
            if self.rng.random() < TYPO + self._noise / 4:
                yield from self.key(str(self.rng.choice([letter for letter in LETTERS if letter != sign])))
                yield from self.wait(int(self.rng.integers(0, 3)))
                yield from self.key("Backspace")
            yield from self.key(sign)
            if self.rng.random() < FALTER:
                yield from self.wait(int(self.rng.integers(1, 3)))

    def key(self, name: str, times: int = 1, **held: float) -> Actions:
        """Types one key of `worldmodel.data.screen.KEYS`, once or more."""
        for _ in range(times):
            yield self._action(key=float(KEYS.index(name)), **held)

    def scroll(self, notches: float, ticks: int = 1) -> Actions:
        """Turns the wheel by so many notches up in each tick."""
        for _ in range(ticks):
            yield self._action(scroll_y=notches)

    def drift(self, distance: float) -> Actions:
        """Moves a little in any direction, without a purpose."""
        way = self.rng.normal(0, distance, 2)
        ticks = movement_ticks(float(np.linalg.norm(way)), 10.0, self._pace / 2)
        yield from self._follow(stroke(self.place, self.place + way, ticks))

    def _follow(self, path: np.ndarray, **held: float) -> Actions:
        for place in path:
            self.place = np.clip(place, 0.0, self._last)
            yield self._action(**held)

    def _aim(self, thing: Thing) -> tuple[Point, float]:
        """Where to hit an element, near the middle of what can be seen of it, and how much room there is."""
        room = thing.spots[:, 2]
        good = thing.spots[room >= 0.6 * room.max()]
        off = np.abs(good[:, :2] - good[:, :2].mean(0)) / np.maximum(good[:, :2].std(0), 1.0)
        chances = np.exp(-(off**2).sum(1))
        x, y, around = good[self.rng.choice(len(good), p=chances / chances.sum())]
        shaken = np.array((x, y)) + np.clip(self.rng.normal(0, 0.25, 2), -0.5, 0.5) * max(around - 1.0, 0.0)
        return shaken, max(around, 1.0)

    def _action(self, **values: float) -> Action:
        named = {"pointer_x": self.place[0], "pointer_y": self.place[1], **values}
        return np.array([named.get(name, 0.0) for name in SCREEN.action.names], np.float32)
