"""Opens the X display that the environment names, and tells what is wrong with it in one line."""

import os
from contextlib import suppress

from Xlib import X
from Xlib.display import Display
from Xlib.error import ConnectionClosedError, DisplayError, XauthError
from Xlib.XK import string_to_keysym

from worldmodel.types import InputError


def open_display() -> Display:
    """Returns a new connection to the display.

    Raises:
        InputError: none is named, it does not answer, or it cannot tell of events.
    """
    name = os.environ.get("DISPLAY")
    if not name:
        raise InputError("record: DISPLAY is not set, wanted a running X11 screen")
    try:
        display = Display(name)
    except (DisplayError, XauthError, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"record: display {name!r} does not answer ({reason}), wanted a running X11 screen") from error
    if not display.has_extension("RECORD"):
        raise InputError(f"record: display {name!r} lacks the extension RECORD, wanted an X server with it")
    return display


def find_key(display: Display, name: str, where: str = "record") -> int:
    """Returns the key code of a key by its X name, such as ``"F9"``.

    Args:
        display: an open connection.
        name: of the key, or what it types.
        where: named in the error.

    Raises:
        InputError: no such name, or no such key on this keyboard.
    """
    code = display.keysym_to_keycode(ord(name) if len(name) == 1 else string_to_keysym(name))
    if code == X.NONE:
        raise InputError(f"{where}: no key {name!r} on this keyboard, wanted an X name such as F9 or Pause")
    return code


def close_display(display: Display) -> None:
    """Closes a connection, whose other end may be gone."""
    with suppress(ConnectionClosedError, OSError):
        display.close()
