"""Tasks of buttons, links, dialogs, colours and points: find the right thing, click it."""

import re

from policies.people.body import Actions
from policies.people.person import Person, Script

ORDINALS = {"1st": 0, "2nd": 1, "3rd": 2}


def _one(selector: str) -> Script:
    """Clicks the first element of a selector."""
    return lambda person: person.click(selector)


def _quoted(selector: str) -> Script:
    """Clicks the element of a selector that says what the instruction quotes."""
    return lambda person: person.click(selector, person.quoted[0])


def _click_button_sequence(person: Person) -> Actions:
    yield from person.click("#subbtn")
    yield from person.click("#subbtn2")


def _click_dialog_2(person: Person) -> Actions:
    if person.quoted[0] == "x":
        yield from person.click(".ui-dialog-titlebar button")
    else:
        yield from person.click(".ui-dialog-buttonset button", person.quoted[0])


def _click_tab(person: Person) -> Actions:
    yield from person.click("#area a", person.told.removeprefix("Click on ").removesuffix("."))


def _click_color(person: Person) -> Actions:
    colour = person.told.removeprefix("Click on the ").removesuffix(" colored box.")
    yield from person.click(f"#area .color[data-color={colour}]")


def _click_widget(person: Person) -> Actions:
    yield from person.click(f"#area [data-type={person.quoted[0]}]")


def _focus_text_2(person: Person) -> Actions:
    number = next(index for word, index in ORDINALS.items() if word in person.told)
    yield from person.click(f"#tt{number + 1}")


def _grid_coordinate(person: Person) -> Actions:
    (point,) = re.findall(r"\(-?\d,-?\d\)", person.told)
    yield from person.click(f"circle[id='{point}']")


def _click_shades(person: Person) -> Actions:
    colour = person.told.removeprefix("Select all the shades of ").removesuffix(" and press Submit.")
    for shade in person.page.in_sight(f"#area span[data-color={colour}]:not(.selected)"):
        yield from person.body.click(shade)
    yield from person.click("#submit")


def _odd_or_even(person: Person) -> Actions:
    numbers = person.page.find(".display-number")
    for index, number in enumerate(numbers):
        side = "odd" if int(number.text) % 2 else "even"
        yield from person.click(f".row:nth-child({index + 1}) .{side}")
    yield from person.click("#submit")


SCRIPTS: dict[str, Script] = {
    "click-test": _one("#subbtn"),
    "click-test-2": _one("#subbtn"),
    "click-test-transfer": _one("#subbtn"),
    "click-button": _quoted("#area button"),
    "click-button-sequence": _click_button_sequence,
    "click-link": _quoted("#area .alink"),
    "click-dialog": _one(".ui-dialog-titlebar button"),
    "click-dialog-2": _click_dialog_2,
    "click-tab": _click_tab,
    "click-color": _click_color,
    "click-widget": _click_widget,
    "click-shades": _click_shades,
    "focus-text": _one("#tt"),
    "focus-text-2": _focus_text_2,
    "grid-coordinate": _grid_coordinate,
    "odd-or-even": _odd_or_even,
}
