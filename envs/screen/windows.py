"""Windows of an X11 screen: the one in front, and where those lie that must not be seen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from Xlib import X
from Xlib.display import Display
from Xlib.error import XError

from envs.screen.rects import Rect

DEEPEST = 4  # a window manager puts the window with the title into its frame, some levels down


@dataclass(frozen=True)
class Front:
    """The window that the keyboard belongs to; the screen itself, without a title, where there is none."""

    title: str
    rect: Rect
    identity: int


@dataclass(frozen=True)
class Desktop:
    """What windows there are at a moment.

    Attributes:
        front: the window in front.
        hidden: where windows lie that must not be seen, covered or not, by their X number.
        secret: what is typed goes to one of them.
    """

    front: Front
    hidden: Mapping[int, Rect] = field(default_factory=dict)
    secret: bool = False


class WindowReader:
    """Looks at the windows of a display.

    Args:
        display: an open connection.
        exclude: windows that must not be seen: shell patterns that are looked for anywhere in a window's title and in
            the name and class of its program, in either case.
    """

    def __init__(self, display: Display, exclude: Sequence[str]) -> None:
        self._display, self._root = display, display.screen().root
        self._patterns = [f"*{pattern.lower()}*" for pattern in exclude]
        names = ("_NET_ACTIVE_WINDOW", "_NET_WM_NAME", "UTF8_STRING")
        self._active, self._net_name, self._utf8 = (display.intern_atom(name) for name in names)
        self._client_bits = ~display.display.info.resource_id_mask

    def look(self) -> Desktop:
        """Returns what windows there are now."""
        front, names = self._front()
        if not self._patterns:
            return Desktop(front)
        found = list(self._tops())
        hidden = {top: rect for top, rect, texts in found if self._matches(texts)}
        owners = {top & self._client_bits for top in hidden}
        # Menus and lists that such a window opens have no title of their own.
        menus = {top: rect for top, rect, texts in found if not texts and top & self._client_bits in owners}
        return Desktop(front, hidden | menus, self._matches(names))

    def _matches(self, names: Sequence[str]) -> bool:
        return any(fnmatchcase(name.lower(), pattern) for name in names for pattern in self._patterns if name)

    def _front(self) -> tuple[Front, list[str]]:
        """The window in front, with all names of its own and of the windows around it."""
        window = self._focus()
        names: list[str] = []
        title, place = "", None
        try:
            while window is not None and window.id not in (X.NONE, self._root.id):
                texts = self._names(window)
                if place is None and texts[0]:
                    title, place = texts[0], window
                top, names = window, [*names, *texts]
                window = window.query_tree().parent
                if window.id == self._root.id:
                    place = place or top
                    return Front(title, self._rect(place), place.id), names
        except XError:
            pass  # it vanished meanwhile
        size = self._root.get_geometry()
        return Front("", Rect(0, 0, size.width, size.height), self._root.id), names

    def _focus(self) -> Any:
        active = self._root.get_full_property(self._active, X.AnyPropertyType)
        if active is not None and len(active.value) and active.value[0]:
            return self._display.create_resource_object("window", int(active.value[0]))
        focus = self._display.get_input_focus().focus
        if focus == X.NONE:
            return None
        if focus == X.PointerRoot or focus.id == self._root.id:  # without a window manager keys follow the pointer
            return self._deepest(self._root.query_pointer().child)
        return focus

    def _deepest(self, window: Any) -> Any:
        """The window within this one that the pointer is in."""
        try:
            for _ in range(DEEPEST):
                child = window.query_pointer().child if window else X.NONE
                if child == X.NONE:
                    break
                window = child
        except XError:
            pass
        return window or None

    def _tops(self) -> Iterator[tuple[int, Rect, list[str]]]:
        """All visible windows that lie directly on the screen, with their names and those of windows within."""
        for top in self._root.query_tree().children:
            try:
                if top.get_attributes().map_state == X.IsViewable:
                    yield top.id, self._rect(top), self._names_within(top, DEEPEST)
            except XError:
                continue  # it vanished meanwhile

    def _names_within(self, window: Any, depth: int) -> list[str]:
        names = [name for name in self._names(window) if name]
        if not names and depth > 1:
            for child in window.query_tree().children:
                names += self._names_within(child, depth - 1)
        return names

    def _names(self, window: Any) -> list[str]:
        """Title, then name and class of its program."""
        named = window.get_full_property(self._net_name, self._utf8)
        title = named.value if named is not None else window.get_wm_name() or ""
        text = title.decode("utf-8", "replace") if isinstance(title, bytes) else str(title)
        return [text, *(window.get_wm_class() or ())]

    def _rect(self, window: Any) -> Rect:
        size, border = window.get_geometry(), window.get_geometry().border_width
        place = self._root.translate_coords(window, 0, 0)
        left, top = place.x - border, place.y - border
        return Rect(left, top, left + size.width + 2 * border, top + size.height + 2 * border)
