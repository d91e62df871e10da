"""The policy: a person who does the task of the page, and knows when it is done."""

from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium

from policies.people import choosing, clicking, dragging, shapes, writing
from policies.people.body import Action, Body
from policies.people.page_reader import PageGoneError, PageReader
from policies.people.person import Person, Script
from worldmodel.types import InputError

SCRIPTS: dict[str, Script] = dict(
    sorted((clicking.SCRIPTS | choosing.SCRIPTS | writing.SCRIPTS | dragging.SCRIPTS | shapes.SCRIPTS).items())
)
"""Tasks of MiniWoB++ that people can do, and how."""
PATIENCE = 5  # ticks from the last action to another try


class ScriptedPerson:
    """Does a task of MiniWoB++ in ``Browser-v0`` by what the page holds; rests once the page has judged.

    Args:
        env: its unwrapped object offers ``evaluate``, and ``tasks`` and ``task`` by name.
        noise: see `policies.people.body.Body`; 0 for a usual person.
        seed: makes it repeatable, given the environment's own seed.

    Raises:
        InputError: another environment, or a task that nobody can do.
    """

    def __init__(self, env: gymnasium.Env, noise: float = 0.0, seed: int | None = None) -> None:
        self._env, self._page, self._noise = env, PageReader(env), noise
        unknown = [task for task in env.get_wrapper_attr("tasks") if task not in SCRIPTS]
        if unknown:
            raise InputError(f"expert: nobody can do task {unknown[0]!r}, wanted one of: {', '.join(SCRIPTS)}")
        self.reset(seed)

    def reset(self, seed: int | None = None) -> None:
        width, height = self._env.get_wrapper_attr("width"), self._env.get_wrapper_attr("height")
        self._body = Body((width, height), seed, self._noise)
        self._actions: Iterator[Action] | None = None

    def act(self, observation: Mapping[str, Any]) -> Action:
        self._body.feel(observation)
        if self._actions is None:
            self._actions = self._live(str(observation["text"]))
        return next(self._actions)

    def _live(self, told: str) -> Iterator[Action]:
        script = SCRIPTS[self._env.get_wrapper_attr("task")]
        try:
            while not self._page.judged:
                yield from self._until_judged(script(Person(self._body, self._page, told)))
                yield from self._until_judged(self._body.wait(PATIENCE))
        except PageGoneError:
            pass  # the next step tells
        while True:
            yield from self._body.wait(int(self._body.rng.integers(1, 4)))
            yield from self._body.drift(15.0)

    def _until_judged(self, actions: Iterator[Action]) -> Iterator[Action]:
        for action in actions:
            yield action
            if self._page.judged:
                return
