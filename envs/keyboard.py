"""A US keyboard, and its keys as the DevTools protocol wants them."""

from typing import Any

from worldmodel.data.screen import MODIFIERS

BITS = {"alt": 1, "ctrl": 2, "shift": 8}
_SHIFTED = dict(zip("1234567890-=[]\\;',./`", '!@#$%^&*()_+{}|:"<>?~', strict=True))
_UNSHIFTED = {above: below for below, above in _SHIFTED.items()}
_MODIFIERS = {
    "shift": ("Shift", "ShiftLeft", 16),
    "ctrl": ("Control", "ControlLeft", 17),
    "alt": ("Alt", "AltLeft", 18),
}
_PLACES = {  # key: its place on the keyboard, and the code that Windows has for it
    "Enter": ("Enter", 13),
    "Backspace": ("Backspace", 8),
    "Tab": ("Tab", 9),
    "Escape": ("Escape", 27),
    "Delete": ("Delete", 46),
    "Home": ("Home", 36),
    "End": ("End", 35),
    "PageUp": ("PageUp", 33),
    "PageDown": ("PageDown", 34),
    "ArrowLeft": ("ArrowLeft", 37),
    "ArrowUp": ("ArrowUp", 38),
    "ArrowRight": ("ArrowRight", 39),
    "ArrowDown": ("ArrowDown", 40),
    " ": ("Space", 32),
    "-": ("Minus", 189),
    "=": ("Equal", 187),
    "[": ("BracketLeft", 219),
    "]": ("BracketRight", 221),
    "\\": ("Backslash", 220),
    ";": ("Semicolon", 186),
    "'": ("Quote", 222),
    ",": ("Comma", 188),
    ".": ("Period", 190),
    "/": ("Slash", 191),
    "`": ("Backquote", 192),
}


def unshifted(key: str) -> str:
    """Returns what the same key of the keyboard types without shift; special keys stay as they are."""
    return _UNSHIFTED.get(key, key.lower() if len(key) == 1 else key)


def modifier_bits(held: frozenset[str]) -> int:
    """Returns the keys that are down, of ``shift``, ``ctrl`` and ``alt``, as one number."""
    return sum(BITS[name] for name in held)


def modifier_events(before: frozenset[str], held: frozenset[str]) -> list[dict[str, Any]]:
    """Returns parameters of ``Input.dispatchKeyEvent`` that bring the modifiers from one state to another."""
    events, down = [], set(before)
    for name in MODIFIERS:
        if (name in before) == (name in held):
            continue
        down ^= {name}
        key, code, number = _MODIFIERS[name]
        kind = "rawKeyDown" if name in held else "keyUp"
        events.append(_event(kind, key, code, number, modifier_bits(frozenset(down))))
    return events


def key_events(key: str, held: frozenset[str]) -> list[dict[str, Any]]:
    """Returns parameters of ``Input.dispatchKeyEvent`` that press and release a key.

    Args:
        key: of `worldmodel.data.screen.KEYS`, but not the empty one.
        held: modifiers that are down.
    """
    if "shift" in held and len(key) == 1:
        key = _SHIFTED.get(key, key.upper())
    below = unshifted(key)
    bits = modifier_bits(held) | (BITS["shift"] if len(key) == 1 and below != key else 0)
    kind = "Digit" if below.isdigit() else "Key"
    code, number = _PLACES.get(below) or (f"{kind}{below.upper()}", ord(below.upper()))
    text = "\r" if key == "Enter" else key if len(key) == 1 else ""
    if not text or held & {"ctrl", "alt"}:
        return [_event(kind, key, code, number, bits) for kind in ("rawKeyDown", "keyUp")]
    return [{**_event("keyDown", key, code, number, bits), "text": text}, _event("keyUp", key, code, number, bits)]


def _event(kind: str, key: str, code: str, number: int, bits: int) -> dict[str, Any]:
    return {"type": kind, "key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": bits}
