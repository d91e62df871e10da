"""What mouse and keyboard did to a page, one record per event: what a data set keeps beside the actions.

tick       number of the step in its episode, from 0: the event belongs to ``actions[tick]``
time_ns    since the episode began, by the page's own clock
kind       ``move``, ``press``, ``release``, ``wheel``, ``key_down`` or ``key_up``
x, y       where the pointer is once it has moved, px
button     ``left``, ``right`` or ``middle`` (press, release)
clicks     how many clicks the press adds up to, 2 for a double click (press, release)
role       of the control that lay below the pointer, by its name in ARIA, such as ``checkbox``; ``dialog`` for all
           controls of a dialog, None where there is no control (press, release)
dx, dy     how far is scrolled to the right and down, px (wheel)
key, code  by their names in the DOM (key_down, key_up)
target     what lay below the pointer, for keys what had the focus, as the tick began: ``"button#subbtn"``, or None
"""

from collections.abc import Sequence
from typing import Any

from envs.hands import Event

PageEvent = dict[str, Any]
MOUSE = {"mouseMoved": "move", "mousePressed": "press", "mouseReleased": "release"}
NS_PER_MS = 1_000_000


def page_events(
    commands: Sequence[Event],
    wheel: tuple[int, int],
    place: tuple[int, int],
    targets: Sequence[str | None],
    tick: int,
    tick_ms: float,
) -> list[PageEvent]:
    """Returns the records of one tick, in order.

    Args:
        commands: of the DevTools protocol, see `envs.hands.Hands.act`.
        wheel: how far is scrolled to the right and down, px.
        place: where the pointer is once it has moved, px.
        targets: what lies there, what has the focus, and the role of what lies there.
        tick: number of the step in its episode.
        tick_ms: how long a step is.
    """
    x, y = place
    below, focused, role = targets
    shared = {"tick": tick, "time_ns": round(tick * tick_ms * NS_PER_MS)}
    events = []
    for _, told in commands:
        if (kind := MOUSE.get(told["type"])) is None:
            kind = "key_up" if told["type"] == "keyUp" else "key_down"
            own = {"key": told["key"], "code": told["code"], "target": focused}
        else:
            clicked = {} if kind == "move" else {"button": told["button"], "clicks": told["clickCount"], "role": role}
            own = {**clicked, "target": below}
        events.append({**shared, "kind": kind, "x": x, "y": y, **own})
    if wheel != (0, 0):
        events.append({**shared, "kind": "wheel", "x": x, "y": y, "dx": wheel[0], "dy": wheel[1], "target": below})
    return events
