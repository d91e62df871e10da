"""The body of who sits before a screen: a pointer, three buttons, a wheel and a keyboard, tick by tick.

    pointer_x, pointer_y    where the pointer is put, px from the top left corner (a point of the picture)
    left, right, middle     whether the button is down (binary); a click is a tick with 1 and then one with 0
    scroll_x, scroll_y      notches of the wheel, to the right and up
    key                     the key that is typed (pressed and released) in this tick: an index into `KEYS`
                            (categorical), 0 for none
    shift, ctrl, alt        whether the key is down (binary)

`KEYS` names characters, not places on a keyboard: ``"A"`` needs no ``shift``. With ``shift`` down, a key types what it
does on a US keyboard: ``"a"`` types ``A``, ``"1"`` types ``!``. One key a tick, so that ten characters a second can be
typed, and the same one twice on end.
"""

from worldmodel.types import ActionDim, ActionSpec, EmbodimentSpec

BUTTONS = ("left", "right", "middle")
MODIFIERS = ("shift", "ctrl", "alt")
SPECIAL_KEYS = (
    *("Enter", "Backspace", "Tab", "Escape", "Delete", "Home", "End", "PageUp", "PageDown"),
    *("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"),
)
KEYS = ("", *SPECIAL_KEYS, *map(chr, range(32, 127)))
"""What ``key`` may be: none, the special keys by their names in the DOM, and the printable characters of ASCII."""
MAX_NOTCHES = 10.0
FPS = 10.0


def screen_spec(height: int, width: int) -> EmbodimentSpec:
    """Returns the body before a screen of so many px; its state is where the pointer is, in px."""
    dims = (
        ActionDim("pointer_x", "continuous", 0.0, float(width), "px"),
        ActionDim("pointer_y", "continuous", 0.0, float(height), "px"),
        *(ActionDim(name, "binary", 0.0, 1.0) for name in BUTTONS),
        *(ActionDim(f"scroll_{axis}", "continuous", -MAX_NOTCHES, MAX_NOTCHES, "notches") for axis in "xy"),
        ActionDim("key", "categorical", 0.0, len(KEYS) - 1.0),
        *(ActionDim(name, "binary", 0.0, 1.0) for name in MODIFIERS),
    )
    return EmbodimentSpec(
        name="screen",
        action=ActionSpec(dims, points=((0, 1),)),
        state_low=[0.0, 0.0],
        state_high=[float(width), float(height)],
        fps=FPS,
        state_points=[[0, 1]],
    )


SCREEN = screen_spec(224, 160)
"""A screen of 160x224 px, which shows a page of MiniWoB++."""
