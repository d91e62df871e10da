"""Tasks of drawn shapes, letters and digits: what an instruction such as ``large red triangle`` means."""

from policies.people.body import Actions
from policies.people.page_reader import Thing
from policies.people.person import Person, Script

DRAWN = "#area_svg > *"
NAMES = {"rect": "rectangle", "circle": "circle", "polygon": "triangle"}
SIZES = ("large", "small")
LARGE_PX = 15.0


def _kinds_of(thing: Thing) -> set[str]:
    """What a drawn thing may be called."""
    if thing.tag == "text":
        return {"item", thing.text, "digit" if thing.text.isdigit() else "letter"}
    return {"item", "shape", NAMES[thing.tag]}


def _size_of(thing: Thing) -> str:
    drawn = float(thing.attributes["font-size"].removesuffix("px")) if thing.tag == "text" else thing.box[3]
    return SIZES[0] if drawn > LARGE_PX else SIZES[1]


def _fits(thing: Thing, words: list[str]) -> bool:
    """Whether a thing is what the words say: a size, a colour, or neither, and what it is called."""
    *manner, name = words
    return name in _kinds_of(thing) and all(
        word == (_size_of(thing) if word in SIZES else thing.attributes["fill"]) for word in manner
    )


def _click_shape(person: Person) -> Actions:
    words = person.told.removeprefix("Click on a ").split()
    meant = [thing for thing in person.page.in_sight(DRAWN) if _fits(thing, words)]
    yield from person.body.click(max(meant, key=lambda thing: float(thing.spots[:, 2].max())))


def _count_shape(person: Person) -> Actions:
    words = person.told.removeprefix("How many ").split(" are there?")[0].removesuffix("s").split()
    number = sum(_fits(thing, words) for thing in person.page.find(DRAWN))
    yield from person.body.wait(int(person.rng.integers(2, 8)))  # counting
    yield from person.click("#count-buttons button", str(number))


def _identify_shape(person: Person) -> Actions:
    kinds = _kinds_of(person.page.find(DRAWN)[0])
    buttons = [
        thing for thing in person.page.in_sight("#area-buttons button") if thing.attributes["data-type"] in kinds
    ]
    yield from person.body.click(buttons[0])


SCRIPTS: dict[str, Script] = {
    "click-shape": _click_shape,
    "count-shape": _count_shape,
    "identify-shape": _identify_shape,
}
