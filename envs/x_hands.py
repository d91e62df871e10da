"""Mouse and keyboard of an X screen: carries actions out by XTEST, as if somebody sat there."""

import numpy as np
from Xlib import X
from Xlib.display import Display
from Xlib.ext.xtest import fake_input

from envs.keyboard import unshifted
from envs.screen.display import find_key
from envs.screen.listener import BUTTONS as BUTTON_NAMES
from envs.screen.listener import NOTCHES
from worldmodel.data.screen import BUTTONS, KEYS, MAX_NOTCHES, MODIFIERS

X_NAMES = {  # of keys that X calls otherwise than the DOM
    "Enter": "Return",
    "Backspace": "BackSpace",
    "PageUp": "Page_Up",
    "PageDown": "Page_Down",
    "ArrowLeft": "Left",
    "ArrowRight": "Right",
    "ArrowUp": "Up",
    "ArrowDown": "Down",
    "shift": "Shift_L",
    "ctrl": "Control_L",
    "alt": "Alt_L",
}
BUTTON_NUMBERS = {name: number for number, name in BUTTON_NAMES.items()}
NOTCH_NUMBERS = {notch: number for number, notch in NOTCHES.items()}


class XHands:
    """What is held down on a screen.

    Args:
        display: an open connection to a screen with a US keyboard, on which nothing is held.

    Raises:
        InputError: the keyboard lacks a key.
    """

    def __init__(self, display: Display) -> None:
        self._display = display
        screen = display.screen()
        self._last = (screen.width_in_pixels - 1, screen.height_in_pixels - 1)
        names = {unshifted(key) for key in KEYS if key} | set(MODIFIERS)
        self._codes = {name: find_key(display, X_NAMES.get(name, name), "Desktop") for name in names}
        self._held: set[str] = set()  # buttons and modifiers

    def act(self, action: np.ndarray) -> None:
        """Carries out an action of `worldmodel.data.screen`, the pointer in px of the screen; returns when it is done.

        Shift, ctrl and alt come first, then the pointer, buttons, key and wheel.
        """
        x, y, *values = action.tolist()
        buttons, (right, up), key, modifiers = values[:3], values[3:5], values[5], values[6:]
        for name, value in zip(MODIFIERS, modifiers, strict=True):
            if self._changes(name, value):
                self._key(name, value > 0.5)
        self.move(x, y)
        for name, value in zip(BUTTONS, buttons, strict=True):
            if self._changes(name, value):
                self._button(BUTTON_NUMBERS[name], value > 0.5)
        if typed := KEYS[int(np.clip(np.rint(key), 0, len(KEYS) - 1))]:
            self._type(typed)
        self._turn(right, (1, 0))
        self._turn(up, (0, 1))
        self._display.sync()

    def move(self, x: float, y: float) -> None:
        """Puts the pointer somewhere, at the edge where that is outside."""
        column, row = (int(np.clip(np.floor(at), 0, last)) for at, last in zip((x, y), self._last, strict=True))
        if (column, row) != self.place():
            fake_input(self._display, X.MotionNotify, x=column, y=row)

    def place(self) -> tuple[int, int]:
        """Returns where the pointer is, x and y in px."""
        pointer = self._display.screen().root.query_pointer()
        return pointer.root_x, pointer.root_y

    def _changes(self, name: str, value: float) -> bool:
        """Takes down whether a key or button is held; returns whether that is new."""
        changes = (value > 0.5) != (name in self._held)
        if changes:
            self._held ^= {name}
        return changes

    def _turn(self, notches: float, direction: tuple[int, int]) -> None:
        count = round(float(np.clip(notches, -MAX_NOTCHES, MAX_NOTCHES)))
        dx, dy = direction if count > 0 else (-direction[0], -direction[1])
        for _ in range(abs(count)):
            self._button(NOTCH_NUMBERS[dx, dy], True)
            self._button(NOTCH_NUMBERS[dx, dy], False)

    def _type(self, key: str) -> None:
        """Presses and releases a key, with shift where what it types needs it and it is not held."""
        below = unshifted(key)
        shifted = below != key and "shift" not in self._held
        if shifted:
            self._key("shift", True)
        self._key(below, True)
        self._key(below, False)
        if shifted:
            self._key("shift", False)

    def _key(self, name: str, down: bool) -> None:
        fake_input(self._display, X.KeyPress if down else X.KeyRelease, self._codes[name])

    def _button(self, number: int, down: bool) -> None:
        fake_input(self._display, X.ButtonPress if down else X.ButtonRelease, number)
