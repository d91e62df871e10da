"""Tasks of boxes, options, tabs, sections, trees, menus and lists: look for the right thing, open what hides it."""

from collections.abc import Sequence

from policies.people.body import Actions
from policies.people.page_reader import Thing
from policies.people.person import Person, Script

SUBMIT = "#area button"


def _wanted(person: Person) -> list[str]:
    """What an instruction such as ``Select a, b and click Submit.`` names."""
    named = person.told.removeprefix("Select ").removesuffix(" and click Submit.")
    return named.split(", ")


def _labelled(person: Person) -> list[tuple[str, Thing]]:
    """Boxes or options, with what their labels say."""
    labels, boxes = person.page.find("#area label"), person.page.find("#area label input")
    return [(label.text, box) for label, box in zip(labels, boxes, strict=True)]


def _click_checkboxes(person: Person) -> Actions:
    names = _wanted(person)
    for name, box in _labelled(person):
        if (name in names) != box.checked:
            yield from person.body.click(box)
    yield from person.click(SUBMIT, "Submit")


def _click_option(person: Person) -> Actions:
    (wanted,) = _wanted(person)
    yield from person.body.click(next(box for name, box in _labelled(person) if name == wanted))
    yield from person.click(SUBMIT, "Submit")


def _look_behind(person: Person, selector: str, text: str, covers: Sequence[Thing]) -> Actions:
    """Opens one cover after the other, until an element comes into sight; then clicks that."""
    covers = list(covers)
    while person.find(selector, text) is None and covers:
        yield from person.body.click(covers.pop(0))
        yield from person.body.wait(1)
    yield from person.click(selector, text)


def _click_tab_2(person: Person) -> Actions:
    tabs = [tab for tab in person.page.in_sight("#area ul li") if "ui-tabs-active" not in tab.attributes["class"]]
    yield from _look_behind(person, "#area .alink", person.quoted[0], tabs)


def _click_collapsible(person: Person) -> Actions:
    yield from person.click("#area h3")
    yield from person.body.wait(2)
    yield from person.click("#subbtn")


def _click_collapsible_2(person: Person) -> Actions:
    for number in range(len(person.page.find("#area h3"))):
        if person.find("#area .alink", person.quoted[0]) is not None:
            break
        yield from person.click(f"#area h3:nth-of-type({number + 1})")
        yield from person.body.wait(5)
    yield from person.click("#area .alink", person.quoted[0])


def _navigate_tree(person: Person) -> Actions:
    name = person.quoted[0]
    while person.find("#tree span", name) is None:
        if (folder := person.find("#tree li.expandable > span")) is None:
            return
        yield from person.body.click(folder)
        yield from person.body.wait(1)
    yield from person.click("#tree span", name)


def _choose_list(person: Person) -> Actions:
    name = person.told.removeprefix("Select ").removesuffix(" from the list and click Submit.")
    yield from person.click("#options")
    yield from person.click("#options option", name)
    yield from person.click(SUBMIT, "Submit")


SCRIPTS: dict[str, Script] = {
    "click-checkboxes": _click_checkboxes,
    "click-checkboxes-large": _click_checkboxes,
    "click-checkboxes-transfer": _click_checkboxes,
    "click-option": _click_option,
    "click-tab-2": _click_tab_2,
    "click-tab-2-easy": _click_tab_2,
    "click-tab-2-medium": _click_tab_2,
    "click-tab-2-hard": _click_tab_2,
    "click-collapsible": _click_collapsible,
    "click-collapsible-nodelay": _click_collapsible,
    "click-collapsible-2": _click_collapsible_2,
    "click-collapsible-2-nodelay": _click_collapsible_2,
    "navigate-tree": _navigate_tree,
    "choose-list": _choose_list,
}
