"""Tasks of fields: type what the instruction says, or what follows from the page."""

import operator
import re

from policies.people.body import Actions
from policies.people.person import Person, Script

SIGNS = {"+": operator.add, "-": operator.sub, "x": operator.mul}


def _enter_text(person: Person) -> Actions:
    yield from person.fill("#tt", person.quoted[0])
    yield from person.click("#subbtn")


def _enter_text_2(person: Person) -> Actions:
    text = person.quoted[0]
    yield from person.fill("#tt", text.upper() if "upper case" in person.told else text.lower())
    yield from person.click("#subbtn")


def _fill_two(person: Person, fields: tuple[str, str], texts: tuple[str, str]) -> Actions:
    """Fills two fields that follow each other; some go from one to the next with the tabulator."""
    yield from person.fill(fields[0], texts[0])
    if person.rng.random() < 0.5:
        yield from person.body.key("Tab")
        yield from person.body.type(texts[1])
    else:
        yield from person.fill(fields[1], texts[1])
    yield from person.click("#subbtn")


def _enter_password(person: Person) -> Actions:
    yield from _fill_two(person, ("#password", "#verify"), (person.quoted[0], person.quoted[0]))


def _login_user(person: Person) -> Actions:
    yield from _fill_two(person, ("#username", "#password"), (person.quoted[0], person.quoted[1]))


def _read_table(person: Person) -> Actions:
    cells = [cell.text for cell in person.page.find("#tab td")]
    key = person.told.removeprefix("Enter the value of ").removesuffix(" into the text field and press Submit.")
    yield from person.fill("#tt", cells[cells.index(key) + 1])
    yield from person.click("#subbtn")


def _read_table_2(person: Person) -> Actions:
    cells = [cell.text for cell in person.page.find("#tab td")]
    keys = [label.text.removesuffix(":") for label in person.page.find("#form label")]
    texts = [cells[cells.index(key) + 1] for key in keys]
    yield from _fill_two(person, ("#tt1", "#tt2"), (texts[0], texts[1]))


def _find_word(person: Person) -> Actions:
    words = person.page.find("#area p")[0].text.split()
    (number,) = re.findall(r"(\d+)(?:st|nd|rd|th) word", person.told)
    yield from person.fill("#answer-input", re.sub("[^a-zA-Z]", "", words[int(number) - 1]))
    yield from person.click("#subbtn")


def _text_transform(person: Person) -> Actions:
    yield from person.fill("#tt", person.page.find("#captcha")[0].text)
    yield from person.click("#subbtn")


def _simple_arithmetic(person: Person) -> Actions:
    first, sign, second, _ = person.page.find("#math-problem")[0].text.split()
    yield from person.fill("#math-answer", str(SIGNS[sign](int(first), int(second))))
    yield from person.click("#subbtn")


def _simple_algebra(person: Person) -> Actions:
    first, sign, second, _, result = person.page.find("#math-problem")[0].text.split()
    solutions = (x for x in range(-200, 201) if _solves(x, sign, (first, second), int(result)))
    yield from person.fill("#math-answer", str(next(solutions)))
    yield from person.click("#subbtn")


def _solves(x: int, sign: str, terms: tuple[str, str], result: int) -> bool:
    return SIGNS[sign](*(x if term == "x" else int(term) for term in terms)) == result


SCRIPTS: dict[str, Script] = {
    "enter-text": _enter_text,
    "enter-text-dynamic": _enter_text,
    "enter-text-2": _enter_text_2,
    "enter-password": _enter_password,
    "login-user": _login_user,
    "read-table": _read_table,
    "read-table-2": _read_table_2,
    "find-word": _find_word,
    "text-transform": _text_transform,
    "simple-arithmetic": _simple_arithmetic,
    "simple-algebra": _simple_algebra,
}
