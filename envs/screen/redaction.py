"""What must not be seen or read at a moment, judged by what was known before and after it."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from envs.screen.clock import MS
from envs.screen.passwords import Fields
from envs.screen.rects import Rect
from envs.screen.timeline import Timeline
from envs.screen.windows import Desktop, Front

# A picture or key is judged by all states from so long before it to so long after it: titles change after what is
# shown, and programs see keys and draw later than the X server tells us.
MARGIN_NS = 250 * MS


@dataclass(frozen=True)
class Verdict:
    """What must be kept back at a moment.

    Attributes:
        keys: typed keys, and the title of the window in front.
        whole: the whole picture.
        rects: parts of the picture, on the screen.
        reasons: of ``hotkey``, ``window``, ``password``.
    """

    keys: bool = False
    whole: bool = False
    rects: tuple[Rect, ...] = ()
    reasons: tuple[str, ...] = ()


class Redaction:
    """Judges moments; each only when `known_ns` has passed it.

    Args:
        desktop: looks at the windows.
        fields: looks at password fields; None: there is no browser to look at.
    """

    def __init__(self, desktop: Timeline[Desktop], fields: Timeline[Fields] | None) -> None:
        self._desktop, self._fields = desktop, fields
        self._toggled_ns: list[int] = []  # by the hotkey: on, off, on, ...

    def toggle(self, time_ns: int) -> None:
        """Redacts everything from this time on, or no longer."""
        self._toggled_ns.append(time_ns)

    @property
    def known_ns(self) -> int:
        """Until when moments can be judged, as far as the observers are concerned."""
        observers = [self._desktop, *([self._fields] if self._fields else [])]
        return min(observer.known_ns for observer in observers) - MARGIN_NS

    def picture(self, time_ns: int) -> Verdict:
        """Judges a picture; ``keys`` are those of the same moment."""
        start_ns, stop_ns = time_ns - MARGIN_NS, time_ns + MARGIN_NS
        hotkey = self._by_hotkey(start_ns) or any(start_ns < toggled <= stop_ns for toggled in self._toggled_ns)
        desktops, fields = self._states(time_ns)
        rects = (*_cover(state.hidden for state in desktops), *_cover(state.hidden for state in fields))
        whole = hotkey or any(state.unknown for state in fields)
        reasons = {
            "hotkey": hotkey,
            "window": any(state.secret or state.hidden for state in desktops),
            "password": any(state.secret or state.hidden for state in fields),
        }
        return Verdict(self.keys(time_ns), whole, rects, tuple(name for name, given in reasons.items() if given))

    def keys(self, time_ns: int) -> bool:
        """Judges a typed key; the hotkey's own moments are exact."""
        desktops, fields = self._states(time_ns)
        return self._by_hotkey(time_ns) or any(state.secret for state in (*desktops, *fields))

    def front(self, time_ns: int) -> Front:
        """Returns the window in front."""
        return self._desktop.between(time_ns, time_ns)[0].front

    def forget(self, before_ns: int) -> None:
        """Drops what is not needed to judge moments from ``before_ns`` on."""
        for observer in (self._desktop, *([self._fields] if self._fields else [])):
            observer.forget(before_ns - MARGIN_NS)

    def _by_hotkey(self, time_ns: int) -> bool:
        return bisect_right(self._toggled_ns, time_ns) % 2 == 1

    def _states(self, time_ns: int) -> tuple[list[Desktop], list[Fields]]:
        around = (time_ns - MARGIN_NS, time_ns + MARGIN_NS)
        return self._desktop.between(*around), self._fields.between(*around) if self._fields else []


def _cover(places: Iterable[Mapping[Any, Rect]]) -> list[Rect]:
    """Where something was in any state or on the way from one to the next."""
    found: dict[Any, Rect] = {}
    for place in places:
        for name, rect in place.items():
            found[name] = found[name].around(rect) if name in found else rect
    return list(found.values())
