"""Every key of a US keyboard has the code that Windows gives it."""

import pytest
from Xlib import XK

from envs.screen.keys import EVDEV, FOREIGN, virtual_key

XK.load_keysym_group("xf86")
KEYS = {
    **{letter: ord(letter.upper()) for letter in "abcdefghijklmnopqrstuvwxyz0123456789"},
    **{f"F{number}": 111 + number for number in range(1, 25)},
    **{f"KP_{number}": 96 + number for number in range(10)},
    "space": 32,
    "Return": 13,
    "Tab": 9,
    "Escape": 27,
    "BackSpace": 8,
    "Delete": 46,
    "Insert": 45,
    "Home": 36,
    "End": 35,
    "Prior": 33,
    "Next": 34,
    "Left": 37,
    "Up": 38,
    "Right": 39,
    "Down": 40,
    "Caps_Lock": 20,
    "Shift_L": 160,
    "Shift_R": 161,
    "Control_L": 162,
    "Control_R": 163,
    "Alt_L": 164,
    "Alt_R": 165,
    "Super_L": 91,
    "Super_R": 92,
    "Menu": 93,
    "Print": 44,
    "Scroll_Lock": 145,
    "Pause": 19,
    "Num_Lock": 144,
    "minus": 189,
    "equal": 187,
    "bracketleft": 219,
    "bracketright": 221,
    "backslash": 220,
    "semicolon": 186,
    "apostrophe": 222,
    "grave": 192,
    "comma": 188,
    "period": 190,
    "slash": 191,
    "KP_Enter": 13,
    "KP_Add": 107,
    "KP_Subtract": 109,
    "KP_Multiply": 106,
    "KP_Divide": 111,
    "KP_Decimal": 110,
    "KP_Home": 103,
    "KP_Delete": 110,
    "XF86_AudioMute": 173,
    "XF86_AudioRaiseVolume": 175,
    "XF86_AudioLowerVolume": 174,
    "XF86_AudioPlay": 179,
}


@pytest.mark.parametrize("name", KEYS)
def test_by_name(name: str) -> None:
    keysym = XK.string_to_keysym(name)
    assert keysym
    assert virtual_key(keysym, 0) == KEYS[name]


def test_by_place_and_the_rest() -> None:
    odiaeresis, linux_semicolon = 0xF6, 39
    assert virtual_key(odiaeresis, EVDEV + linux_semicolon) == 186
    assert virtual_key(0, 250) == FOREIGN + 250
