"""Tasks of dragging, sliders and spinners."""

import re

import numpy as np

from policies.people.body import Actions
from policies.people.motion import Point
from policies.people.page_reader import Thing
from policies.people.person import Person, Script

DIRECTIONS = {"left": (-1.0, 0.0), "right": (1.0, 0.0), "up": (0.0, -1.0), "down": (0.0, 1.0)}
KINDS = {"rectangles": "rect:not(#shape-container)", "circles": "circle", "triangles": "polygon"}
MOST_TRIES = 6


def _use_slider(person: Person) -> Actions:
    """Drags the handle nearly there, and goes the rest of the way with the arrow keys."""
    (wanted,) = (int(number) for number in re.findall(r"Select (-?\d+) with", person.told))
    low, high, upright = person.page.evaluate(
        "['min', 'max', 'orientation'].map((name) => $('#slider').slider('option', name))"
    )
    track = person.page.find("#slider")[0]
    if _value_of(person) != wanted and (handle := person.find(".ui-slider-handle")) is not None:
        share = (wanted - low) / (high - low)
        goal = track.box[:2] + track.box[2:] * ((0.5, 1 - share) if upright == "vertical" else (share, 0.5))
        yield from person.body.drag(handle, goal - handle.middle)
    for _ in range(MOST_TRIES * 10):
        if (left := wanted - _value_of(person)) == 0:
            break
        yield from person.body.key("ArrowRight" if left > 0 else "ArrowLeft")
    yield from person.click("#subbtn")


def _value_of(person: Person) -> int:
    """What the slider shows."""
    return int(person.page.find("#val")[0].text)


def _use_spinner(person: Person) -> Actions:
    (wanted,) = (int(number) for number in re.findall(r"Select (-?\d+) with", person.told))
    for _ in range(MOST_TRIES):
        left = wanted - int(person.page.find("#spinner")[0].value or 0)
        if left == 0:
            break
        yield from person.click(".ui-spinner-up" if left > 0 else ".ui-spinner-down", times=abs(left))
    yield from person.click("#subbtn")


def _drag_box(person: Person) -> Actions:
    """Moves the small box into the large one; the large one away first, where it covers the small one."""
    for _ in range(MOST_TRIES):
        small, large = (person.page.find(name)[0] for name in ("#draggableSmall", "#draggableLarge"))
        spare = large.box[2:] - small.box[2:]
        inside = small.box[:2] - large.box[:2]
        if (inside > 2).all() and (inside < spare - 2).all():
            break
        if small.in_sight:
            share = person.rng.uniform(0.3, 0.7, 2)
            yield from person.body.drag(small, large.box[:2] + share * spare - small.box[:2])
        else:
            yield from person.body.drag(large, np.array((0.0, 55.0 if large.box[1] < 90 else -55.0)))
        yield from person.body.wait(1)
    yield from person.click("#subbtn")


def _drag_one(person: Person) -> Actions:
    """Drags the only shape to where the instruction says: left, right, up or down."""
    (direction,) = (name for name in DIRECTIONS if f" {name} " in person.told)
    if (shape := person.find("svg circle, svg rect, svg polygon")) is not None:
        way = np.array(DIRECTIONS[direction]) * person.rng.uniform(25, 40) + person.rng.normal(0, 3, 2)
        yield from person.body.drag_to(shape, shape.middle + way)
    yield from person.click("#subbtn")


def _drag_shapes(person: Person) -> Actions:
    """Puts every shape of one kind into the black box."""
    kind = next(selector for name, selector in KINDS.items() if name in person.told)
    box = person.page.find("#shape-container")[0].box
    for _ in range(MOST_TRIES):
        left = [shape for shape in person.page.in_sight(kind) if not _lies_in(shape, box)]
        if not left:
            break
        goal = box[:2] + box[2:] * person.rng.uniform((0.25, 0.4), (0.75, 0.6))
        yield from person.body.drag_to(left[0], goal)
    yield from person.click("#subbtn")


def _lies_in(shape: Thing, box: Point) -> bool:
    """Whether a shape is well inside."""
    return bool((shape.box[:2] > box[:2] + 1).all() and (shape.middle < box[:2] + box[2:] - 2).all())


SCRIPTS: dict[str, Script] = {
    "use-slider": _use_slider,
    "use-spinner": _use_spinner,
    "drag-box": _drag_box,
    "drag-circle": _drag_one,
    "drag-single-shape": _drag_one,
    "drag-shapes": _drag_shapes,
}
