"""Mouse and keyboard: what the DevTools protocol has to be told so that an action is carried out."""

from typing import Any

import numpy as np

from envs.keyboard import key_events, modifier_bits, modifier_events
from worldmodel.data.screen import BUTTONS, KEYS, MAX_NOTCHES, MODIFIERS

MASKS = {"left": 1, "right": 2, "middle": 4}
NOTCH_PX = 53  # as Chromium scrolls under Linux
DOUBLE_TICKS, DOUBLE_PX = 5, 4  # presses so near to each other, in time and place, count as one double click

Event = tuple[str, dict[str, Any]]


class Hands:
    """Where the pointer is, and what is held down.

    Attributes:
        x: column of the pointer, in px.
        y: its row.

    Args:
        height: of the page, in px.
        width: of it.
    """

    def __init__(self, height: int, width: int) -> None:
        self._last = (width - 1, height - 1)
        self.x = self.y = 0
        self._buttons: dict[str, int] = {}  # that are down, and how many clicks they add up to
        self._modifiers: frozenset[str] = frozenset()
        self._tick = 0
        self._pressed = ("", 0, 0, -DOUBLE_TICKS, 0)  # the last press: button, x, y, tick, clicks

    def move(self, x: float, y: float) -> list[Event]:
        """Puts the pointer somewhere, at the edge where that is outside."""
        self.x, self.y = (int(np.clip(np.floor(at), 0, last)) for at, last in zip((x, y), self._last, strict=True))
        button = next(iter(self._buttons), "none")
        return [self._mouse("mouseMoved", button=button)]

    def act(self, action: np.ndarray) -> tuple[list[Event], tuple[int, int]]:
        """Carries out an action of `worldmodel.data.screen`.

        Returns:
            Commands with their parameters, in order, and how far to scroll right and down, in px.
        """
        self._tick += 1
        x, y, *values = action.tolist()
        buttons, (right, up), key, modifiers = values[:3], values[3:5], values[5], values[6:]
        held = frozenset(name for name, value in zip(MODIFIERS, modifiers, strict=True) if value > 0.5)
        events: list[Event] = [_key(event) for event in modifier_events(self._modifiers, held)]
        self._modifiers = held
        before = (self.x, self.y)
        moved = self.move(x, y)
        events += moved if (self.x, self.y) != before else []
        for name, value in zip(BUTTONS, buttons, strict=True):
            if (value > 0.5) != (name in self._buttons):
                events.append(self._release(name) if name in self._buttons else self._press(name))
        if typed := KEYS[int(np.clip(np.rint(key), 0, len(KEYS) - 1))]:
            events += [_key(event) for event in key_events(typed, held)]
        notches = np.clip((right, -up), -MAX_NOTCHES, MAX_NOTCHES)
        return events, (round(NOTCH_PX * float(notches[0])), round(NOTCH_PX * float(notches[1])))

    def _press(self, name: str) -> Event:
        button, x, y, tick, clicks = self._pressed
        near = max(abs(x - self.x), abs(y - self.y)) <= DOUBLE_PX and self._tick - tick <= DOUBLE_TICKS
        clicks = clicks + 1 if near and button == name else 1
        self._pressed = (name, self.x, self.y, self._tick, clicks)
        self._buttons[name] = clicks
        return self._mouse("mousePressed", button=name, clickCount=clicks)

    def _release(self, name: str) -> Event:
        return self._mouse("mouseReleased", button=name, clickCount=self._buttons.pop(name))

    def _mouse(self, kind: str, **more: Any) -> Event:
        held, bits = sum(MASKS[name] for name in self._buttons), modifier_bits(self._modifiers)
        place = {"type": kind, "x": self.x, "y": self.y, "buttons": held, "modifiers": bits}
        return "Input.dispatchMouseEvent", place | more


def _key(event: dict[str, Any]) -> Event:
    return "Input.dispatchKeyEvent", event
