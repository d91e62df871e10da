"""Opens what grabs a screen.

decord offers its own copy of libxcb to whatever is loaded after it. The system's libraries, which mss uses, would take
half of what they call from that copy, and end the process: they are loaded so that they stick to their own.
"""

import ctypes
import os
import sys
from ctypes.util import find_library

import mss

LIBRARIES = ("xcb", "xcb-randr", "xcb-render", "xcb-shm", "xcb-xfixes")


def open_screen(display: str | None = None, *, with_cursor: bool = False) -> mss.MSS:
    """Returns a connection that grabs pictures, to be closed.

    Args:
        display: such as ``":1"``; None: the one that ``DISPLAY`` names.
        with_cursor: pictures show the pointer.

    Raises:
        ScreenShotError, OSError: there is no such screen, or a library is missing.
    """
    if sys.platform == "linux":
        for file in filter(None, map(find_library, LIBRARIES)):
            ctypes.CDLL(file, mode=os.RTLD_DEEPBIND | os.RTLD_NOW)
    return mss.MSS(display=display, with_cursor=with_cursor)
