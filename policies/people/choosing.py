"""Tasks of boxes, options, tabs, sections, trees, menus and lists: look for the right thing, open what hides it."""

from collections.abc import Sequence

from policies.people.body import Actions
from policies.people.page_reader import Thing
from policies.people.person import Person, Script

SUBMIT = "#area button"


def wanted(person: Person) -> list[str]:
    """What an instruction such as ``Select a, b and click Submit.`` names."""
    named = person.told.removeprefix("Select ").removesuffix(" and click Submit.")
    return named.split(", ")


def click_checkboxes(person: Person) -> Actions:
    names = wanted(person)
    boxes = person.page.in_sight("#area label input")
    labels = [thing.text for thing in person.page.in_sight("#area label")]
    for box, label in zip(boxes, labels, strict=True):
        if (label in names) != box.checked:
            yield from person.body.click(box)
    yield from person.click(SUBMIT, "Submit")


def click_option(person: Person) -> Actions:
    (name,) = wanted(person)
    labels = [thing.text for thing in person.page.in_sight("#area label")]
    yield from person.body.click(person.page.in_sight("#area label input")[labels.index(name)])
    yield from person.click(SUBMIT, "Submit")


def look_behind(person: Person, selector: str, text: str, covers: Sequence[Thing]) -> Actions:
    """Opens one cover after the other, until an element comes into sight; then clicks that."""
    covers = list(covers)
    while person.find(selector, text) is None and covers:
        yield from person.body.click(covers.pop(0))
        yield from person.body.wait(1)
    yield from person.click(selector, text)


def click_tab_2(person: Person) -> Actions:
    tabs = [tab for tab in person.page.in_sight("#area ul li") if "ui-tabs-active" not in tab.attributes["class"]]
    yield from look_behind(person, "#area .alink", person.quoted[0], tabs)


def click_collapsible(person: Person) -> Actions:
    yield from person.click("#area h3")
    yield from person.body.wait(2)
    yield from person.click("#subbtn")


def click_collapsible_2(person: Person) -> Actions:
    for number in range(len(person.page.find("#area h3"))):
        if person.find("#area .alink", person.quoted[0]) is not None:
            break
        yield from person.click(f"#area h3:nth-of-type({number + 1})")
        yield from person.body.wait(5)
    yield from person.click("#area .alink", person.quoted[0])


def navigate_tree(person: Person) -> Actions:
    name = person.quoted[0]
    while person.find("#tree span", name) is None:
        if (folder := person.find("#tree li.expandable > span")) is None:
            return
        yield from person.body.click(folder)
        yield from person.body.wait(1)
    yield from person.click("#tree span", name)


def choose_list(person: Person) -> Actions:
    (name,) = wanted_of_list(person)
    yield from person.click("#options")
    yield from person.click("#options option", name)
    yield from person.click(SUBMIT, "Submit")


def wanted_of_list(person: Person) -> list[str]:
    """What ``Select a from the list and click Submit.`` names."""
    return [person.told.removeprefix("Select ").removesuffix(" from the list and click Submit.")]


SCRIPTS: dict[str, Script] = {
    "click-checkboxes": click_checkboxes,
    "click-checkboxes-large": click_checkboxes,
    "click-checkboxes-transfer": click_checkboxes,
    "click-option": click_option,
    "click-tab-2": click_tab_2,
    "click-tab-2-easy": click_tab_2,
    "click-tab-2-medium": click_tab_2,
    "click-tab-2-hard": click_tab_2,
    "click-collapsible": click_collapsible,
    "click-collapsible-nodelay": click_collapsible,
    "click-collapsible-2": click_collapsible_2,
    "click-collapsible-2-nodelay": click_collapsible_2,
    "navigate-tree": navigate_tree,
    "choose-list": choose_list,
}
