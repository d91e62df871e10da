"""Every key, button, wheel notch and pointer move of an X11 screen, through XRecord, in the order they happened."""

import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event as Flag
from threading import Thread
from typing import Any

from Xlib import X
from Xlib.display import Display
from Xlib.error import ConnectionClosedError, XError
from Xlib.ext import record

from envs.screen.clock import ServerClock, now_ns
from envs.screen.display import open_display
from envs.screen.keys import virtual_key
from worldmodel.types import InputError

NO_OPERATION = (
    127  # sent by the watcher of windows and told of like an event: whatever happened before has been told of before
)
CORE_EVENT = struct.Struct("<BBHIIIIhhhhHBx")  # type, detail, sequence, time, three windows, root x and y, ...
NOTHING = {
    "core_requests": (NO_OPERATION, NO_OPERATION),
    "core_replies": (0, 0),
    "ext_requests": (0, 0, 0, 0),
    "ext_replies": (0, 0, 0, 0),
    "delivered_events": (0, 0),
    "device_events": (0, 0),
    "errors": (0, 0),
    "client_started": False,
    "client_died": False,
}
RANGE = {**NOTHING, "device_events": (X.KeyPress, X.MotionNotify)}
BUTTONS = {1: "left", 2: "middle", 3: "right", 8: "x1", 9: "x2"}
NOTCHES = {4: (0, 1), 5: (0, -1), 6: (-1, 0), 7: (1, 0)}  # dx to the right, dy up
START_S = 10.0


@dataclass(frozen=True)
class Event:
    """What happened at a time.

    Attributes:
        time_ns: when, by `clock.now_ns`; no two events of a listener share one.
        topic: ``mouse`` or ``keyboard``, or ``control`` for what is meant for the recorder itself.
        message: contents as OWAMcap has them; for ``control`` its ``command``: pause, stop or redact.
    """

    time_ns: int
    topic: str
    message: Mapping[str, Any]


class Listener:
    """Listens from `start` on; an error in a single event is counted and ends nothing.

    Args:
        hotkeys: X key code -> command; these keys are told of as ``control`` and not as keys.

    Attributes:
        events: what happened, in the order of time.
        errors: how many events could not be understood.
        ended: set when the X server tells no more.
    """

    def __init__(self, hotkeys: Mapping[int, str]) -> None:
        self.events: SimpleQueue[Event] = SimpleQueue()
        self.errors = 0
        self.ended = Flag()
        self._hotkeys, self._held = dict(hotkeys), dict.fromkeys(hotkeys, False)
        self._clock = ServerClock()
        self._last_ns = self._known_ns = 0
        self._began = Flag()
        self._display = open_display()
        self._keysyms = read_keysyms(self._display)
        self._context = self._display.record_create_context(0, [record.AllClients], [RANGE])
        self._thread = Thread(target=self._listen, name="listener", daemon=True)

    @property
    def known_ns(self) -> int:
        """Until when everything has been told of."""
        return self._known_ns

    def start(self) -> None:
        """Returns when events are being told of.

        Raises:
            InputError: the X server does not tell.
        """
        self._thread.start()
        if not self._began.wait(START_S):
            raise InputError(f"record: the X server tells of no events within {START_S:g} s, wanted one that does")

    def stop(self, display: Display) -> None:
        """Ends listening, by another connection, since the own one is waiting."""
        with suppress(ConnectionClosedError, OSError):
            display.record_disable_context(self._context)
            display.flush()
        self._thread.join(START_S)

    def _listen(self) -> None:
        try:
            self._display.record_enable_context(self._context, self._take)
        except (ConnectionClosedError, XError, OSError):
            pass
        finally:
            self.ended.set()

    def _take(self, reply: Any) -> None:
        received_ns = now_ns()
        try:
            if reply.category == record.FromServer and not reply.client_swapped:
                data = bytes(reply.data)
                for start in range(0, len(data) - CORE_EVENT.size + 1, CORE_EVENT.size):
                    self._take_event(CORE_EVENT.unpack_from(data, start), received_ns)
            if reply.category in (record.FromServer, record.FromClient, record.StartOfData):
                known_ns = self._clock.take(reply.server_time, received_ns)
                self._known_ns = max(self._known_ns, min(known_ns, received_ns))
                self._began.set()
        except Exception:  # whatever is wrong with one event, the next ones must be recorded
            self.errors += 1

    def _take_event(self, fields: tuple[int, ...], received_ns: int) -> None:
        kind, detail, _, server_ms, _, _, _, x, y = fields[:9]
        time_ns = max(min(self._clock.take(server_ms, received_ns), received_ns), self._last_ns + 1)
        kind &= 0x7F  # without the sign of a sent event
        if kind in (X.KeyPress, X.KeyRelease):
            told = self._key(detail, kind == X.KeyPress)
        else:
            told = _mouse(kind, detail, x, y)
        if told is not None:
            self._last_ns = time_ns
            self.events.put(Event(time_ns, *told))

    def _key(self, code: int, down: bool) -> tuple[str, dict[str, Any]] | None:
        if code not in self._hotkeys:
            kind = "press" if down else "release"
            return "keyboard", {"event_type": kind, "vk": virtual_key(self._keysyms.get(code, 0), code)}
        repeated, self._held[code] = self._held[code], down  # a key that is held is pressed again and again
        return ("control", {"command": self._hotkeys[code]}) if down and not repeated else None

    def held_keys(self, display: Display) -> list[int]:
        """Windows codes of the keys that are down now, without hotkeys."""
        bits = display.query_keymap()
        down = [code for code in range(256) if bits[code // 8] >> code % 8 & 1 and code not in self._hotkeys]
        return [virtual_key(self._keysyms.get(code, 0), code) for code in down]


def _mouse(kind: int, detail: int, x: int, y: int) -> tuple[str, dict[str, Any]] | None:
    place = {"x": x, "y": y}
    if kind == X.MotionNotify:
        return "mouse", {"event_type": "move", **place}
    if detail in NOTCHES:
        dx, dy = NOTCHES[detail]
        return ("mouse", {"event_type": "scroll", **place, "dx": dx, "dy": dy}) if kind == X.ButtonPress else None
    button = BUTTONS.get(detail, "unknown")
    return "mouse", {"event_type": "click", **place, "button": button, "pressed": kind == X.ButtonPress}


def read_keysyms(display: Display) -> dict[int, int]:
    """Returns X's name of what every key gives without Shift, by key code."""
    first = display.display.info.min_keycode
    rows = display.get_keyboard_mapping(first, display.display.info.max_keycode - first + 1)
    return {first + index: row[0] for index, row in enumerate(rows) if len(row)}
