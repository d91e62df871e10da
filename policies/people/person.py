"""Somebody before a page, with hands, eyes and an instruction; what the scripts of tasks are written in."""

import re
from collections.abc import Callable, Generator

from policies.people.body import Action, Actions, Body
from policies.people.page_reader import PageReader, Thing

LOOKS = 12  # ticks that a page may take to come to rest


class Person:
    """Does one thing after the other; every method but `find` yields actions.

    Args:
        body: of the person.
        page: before it.
        told: the instruction.

    Attributes:
        quoted: what the instruction says in quotation marks.
    """

    def __init__(self, body: Body, page: PageReader, told: str) -> None:
        self.body, self.page, self.told, self.rng = body, page, told, body.rng
        self.quoted: list[str] = re.findall(r'"([^"]*)"', told)

    def find(self, selector: str, text: str | None = None) -> Thing | None:
        """Returns the first element in sight that fits a CSS selector and says just this, or None."""
        things = self.page.in_sight(selector)
        return next((thing for thing in things if text is None or thing.text == text), None)

    def click(self, selector: str, text: str | None = None, times: int = 1) -> Actions:
        """Clicks the first such element in sight, once there is one; nothing where none comes."""
        if (thing := (yield from self.await_thing(selector, text))) is not None:
            yield from self.body.click(thing, times=times)

    def fill(self, selector: str, text: str) -> Actions:
        """Clicks a field and types into it."""
        yield from self.click(selector)
        yield from self.body.type(text)

    def await_thing(self, selector: str, text: str | None = None) -> Generator[Action, None, Thing | None]:
        """Waits until such an element is in sight, and lies still; gives it, or None after `LOOKS` ticks."""
        before = None
        for _ in range(LOOKS):
            thing = self.find(selector, text)
            if thing is not None and before is not None and (thing.box == before.box).all():
                return thing
            before = thing
            yield from self.body.wait(1)
        return before


Script = Callable[[Person], Actions]
