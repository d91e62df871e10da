"""A person who plays with a page: hovers, clicks, drags, scrolls and types anywhere, half of the time at its things."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gymnasium
import numpy as np

from policies.people.body import LETTERS, Action, Actions, Body
from policies.people.motion import Point
from policies.people.page_reader import PageGoneError, PageReader, Thing
from worldmodel.data.screen import SPECIAL_KEYS

THINGS = (
    "button, a, input, textarea, select, option, label, li, h3, td, span, svg *, "
    ".ui-draggable, .ui-slider-handle, [onclick], [tabindex], [class*=color], [class*=card]"
)
FIELDS = "input:not([type=checkbox]):not([type=radio]), textarea"
GRID = 3
AT_THINGS = 0.5
SHORTCUTS = "acvxz"


class WanderingPerson:
    """Acts without a purpose, so that recordings show what a page does of itself when it is used in any way.

    Args:
        env: its unwrapped object offers ``evaluate``.
        seed: makes it repeatable, given the environment's own seed.

    Raises:
        InputError: another environment.
    """

    def __init__(self, env: gymnasium.Env, seed: int | None = None) -> None:
        self._env, self._page = env, PageReader(env)
        self.reset(seed)

    def reset(self, seed: int | None = None) -> None:
        screen = self._env.get_wrapper_attr("width"), self._env.get_wrapper_attr("height")
        self._screen, self._body = np.array(screen, np.float64), Body(screen, seed)
        self._rng, self._words = self._body.rng, [""]
        self._actions = self._wander()

    def act(self, observation: Mapping[str, Any]) -> Action:
        self._body.feel(observation)
        self._words = str(observation["text"]).split() or [""]
        return next(self._actions)

    def _wander(self) -> Iterator[Action]:
        acts: list[tuple[float, Callable[[], Actions]]] = [
            (0.24, self._hover),
            (0.30, self._click),
            (0.10, self._drag),
            (0.08, self._scroll),
            (0.12, self._type),
            (0.06, self._press_keys),
            (0.10, self._idle),
        ]
        shares = [share for share, _ in acts]
        while True:
            try:
                yield from acts[self._rng.choice(len(acts), p=shares)][1]()
            except PageGoneError:
                yield from self._body.wait(1)  # which tells

    # What it does, drawn by the shares above.

    def _hover(self) -> Actions:
        for _ in range(self._rng.integers(1, 4)):
            yield from self._go()

    def _click(self) -> Actions:
        yield from self._go()
        button = str(self._rng.choice(("left", "right", "middle"), p=(0.92, 0.06, 0.02)))
        for _ in range(self._rng.choice((1, 2, 3), p=(0.8, 0.17, 0.03))):
            yield from self._body.press(button)

    def _drag(self) -> Actions:
        yield from self._go()
        yield from self._body.carry(self._anywhere())

    def _scroll(self) -> Actions:
        if self._rng.random() < 0.5:
            yield from self._go()
        notches = float(self._rng.choice((-1.0, 1.0), p=(0.7, 0.3)) * self._rng.integers(1, 4))
        yield from self._body.scroll(notches, int(self._rng.integers(1, 6)))

    def _type(self) -> Actions:
        """Words of the instruction or letters, mostly into a field if there is one."""
        fields = self._page.in_sight(FIELDS, GRID)
        if fields and self._rng.random() < 0.7:
            yield from self._body.click(fields[self._rng.integers(len(fields))])
        word = str(self._rng.choice(self._words))
        if self._rng.random() < 0.5:
            word = "".join(self._rng.choice(list(LETTERS), self._rng.integers(1, 6)))
        yield from self._body.type("".join(sign for sign in word if " " <= sign <= "~"))

    def _press_keys(self) -> Actions:
        if self._rng.random() < 0.3:
            yield from self._body.key(str(self._rng.choice(list(SHORTCUTS))), ctrl=1.0)
        elif self._rng.random() < 0.3:
            yield from self._body.key(str(self._rng.choice(SPECIAL_KEYS)), shift=1.0)
        else:
            yield from self._body.key(str(self._rng.choice(SPECIAL_KEYS)), int(self._rng.integers(1, 5)))

    def _idle(self) -> Actions:
        yield from self._body.wait(int(self._rng.integers(1, 8)))
        if self._rng.random() < 0.5:
            yield from self._body.drift(6.0)

    # Where.

    def _go(self) -> Actions:
        thing = self._thing() if self._rng.random() < AT_THINGS else None
        yield from self._body.go(thing) if thing else self._body.go_to(self._anywhere(), 8.0)

    def _thing(self) -> Thing | None:
        things = self._page.in_sight(THINGS, GRID)
        return things[self._rng.integers(len(things))] if things else None

    def _anywhere(self) -> Point:
        return self._rng.uniform((0, 0), self._screen)
