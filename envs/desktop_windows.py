"""Waits for the windows of programs, and puts them beside each other."""

import math
import time
from typing import Any

from Xlib import X
from Xlib.display import Display
from Xlib.error import XError

from envs.screen.rects import Rect
from envs.xvfb import START_S, ScreenError, VirtualScreen

LOOK_S = 0.02


def wait_for_manager(display: Display, screen: VirtualScreen) -> None:
    """Waits until windows are managed.

    Raises:
        ScreenError: that does not come.
    """
    check = display.intern_atom("_NET_SUPPORTING_WM_CHECK")
    root = display.screen().root
    _wait(lambda: root.get_full_property(check, X.AnyPropertyType) is not None, screen, "the window manager")


def wait_for_windows(display: Display, screen: VirtualScreen, count: int, name: str) -> int:
    """Waits until there are so many windows; returns the X number of the last.

    Args:
        display: a connection to the screen.
        screen: whose programs must not end meanwhile.
        count: of windows.
        name: of the program that is to show the last.

    Raises:
        ScreenError: a program ends, or shows no window.
    """
    _wait(lambda: len(windows(display)) >= count, screen, name)
    return windows(display)[-1]


def windows(display: Display) -> list[int]:
    """Returns the X numbers of the windows that are managed, oldest first."""
    listed = display.screen().root.get_full_property(display.intern_atom("_NET_CLIENT_LIST"), X.AnyPropertyType)
    return [] if listed is None else [int(number) for number in listed.value]


def tile(index: int, count: int, height: int, width: int) -> Rect:
    """Returns the place of a window beside the others: rows from the top, the last of which may hold fewer."""
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    row, column = divmod(index, columns)
    in_row = min(columns, count - row * columns)
    low, high = (column * width // in_row, row * height // rows), ((column + 1) * width // in_row, (row + 1) * height)
    return Rect(*low, high[0], high[1] // rows)


def put(display: Display, number: int, place: Rect) -> None:
    """Puts a window and its frame somewhere; one that wants another size keeps that."""
    window: Any = display.create_resource_object("window", number)
    try:
        extents = window.get_full_property(display.intern_atom("_NET_FRAME_EXTENTS"), X.AnyPropertyType)
        left, right, top, bottom = (0, 0, 0, 0) if extents is None else extents.value
        size = {"width": place.right - place.left - left - right, "height": place.bottom - place.top - top - bottom}
        window.configure(x=place.left, y=place.top, **size)
        display.sync()
    except XError:
        return  # it is gone again


def _wait(holds: Any, screen: VirtualScreen, name: str) -> None:
    end_s = time.monotonic() + START_S
    while not holds():
        screen.look(LOOK_S)
        if screen.ended:
            raise ScreenError(f"{name} or what is below it ended with status {next(iter(screen.ended.values()))}")
        if time.monotonic() > end_s:
            raise ScreenError(f"{name} shows no window within {START_S:g} s")
