"""What is on a page: its objects, where they can be clicked, what they say. Reading takes no time of the page's.

Knows an environment by what its unwrapped object offers: ``evaluate``, which returns the value of JavaScript.
"""

import json
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Float64

from worldmodel.types import InputError

GRID = 9
# Where the mouse hits an element: a grid over its largest box, each place with its distance to the next that does not.
FIND = """
((selector, steps) => {
  const hits = (element, x, y) => {
    const top = document.elementFromPoint(x, y);
    return top !== null && element.contains(top);
  };
  const spots = (element, box) => {
    const at = (i, j) => [box.x + box.width * (i + 0.5) / steps, box.y + box.height * (j + 0.5) / steps];
    const free = [], blocked = [];
    for (let i = -1; i <= steps; i++) for (let j = -1; j <= steps; j++) {
      const inside = i >= 0 && j >= 0 && i < steps && j < steps && hits(element, ...at(i, j));
      (inside ? free : blocked).push(at(i, j));
    }
    const room = ([x, y]) => Math.min(...blocked.map(([u, v]) => Math.max(Math.abs(u - x), Math.abs(v - y))));
    return free.map((place) => [...place, room(place)]);
  };
  return [...document.querySelectorAll(selector)].map((element) => {
    const boxes = [...element.getClientRects()].sort((a, b) => b.width * b.height - a.width * a.height);
    const box = boxes[0] ?? new DOMRect();
    const attributes = Object.fromEntries([...element.attributes].map(({ name, value }) => [name, value]));
    return { tag: element.localName, text: element.textContent.trim(), value: String(element.value ?? ""),
      checked: Boolean(element.checked), attributes, box: [box.x, box.y, box.width, box.height],
      spots: box.width && box.height ? spots(element, box) : [] };
  });
})(SELECTOR, STEPS)
"""


class PageGoneError(Exception):
    """The page can no longer be read: its browser hangs or has crashed, which the next step tells."""


@dataclass(frozen=True)
class Thing:
    """An element of a page.

    Attributes:
        tag: such as ``"button"``.
        text: in it.
        value: of a field.
        checked: of a box.
        attributes: by name.
        box: x, y, width and height, px.
        spots: where a click hits it, and how much room is around: x, y, room, px (n 3); none where it is hidden.
    """

    tag: str
    text: str
    value: str
    checked: bool
    attributes: dict[str, str]
    box: Float64[np.ndarray, "4"]
    spots: Float64[np.ndarray, "n 3"]

    @property
    def name(self) -> str:
        """Its id."""
        return self.attributes.get("id", "")

    @property
    def in_sight(self) -> bool:
        """Whether a click can hit it."""
        return len(self.spots) > 0

    @property
    def middle(self) -> Float64[np.ndarray, "2"]:
        """Of its box, px."""
        return self.box[:2] + self.box[2:] / 2


class PageReader:
    """Reads a page.

    Args:
        env: whose unwrapped object offers ``evaluate``.

    Raises:
        InputError: it does not.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        if not hasattr(type(env.unwrapped), "evaluate"):
            raise InputError(f"people: {type(env.unwrapped).__name__} has no 'evaluate', wanted Browser-v0")
        self._env = env

    def find(self, selector: str, grid: int = GRID) -> list[Thing]:
        """Returns the elements that fit a CSS selector, in the page's order, hidden ones too.

        Args:
            selector: of CSS.
            grid: how many places along each side of an element are tried.

        Raises:
            PageGoneError: the browser does not answer.
        """
        found = self.evaluate(FIND.replace("STEPS", str(grid)).replace("SELECTOR", json.dumps(selector))) or []
        return [
            Thing(
                **{key: value for key, value in one.items() if key not in ("box", "spots")},
                box=np.array(one["box"], np.float64),
                spots=np.array(one["spots"], np.float64).reshape(-1, 3),
            )
            for one in found
        ]

    def in_sight(self, selector: str, grid: int = GRID) -> list[Thing]:
        """The same without what no click can hit."""
        return [thing for thing in self.find(selector, grid) if thing.in_sight]

    @property
    def judged(self) -> bool:
        """Whether the page has told how the episode ended."""
        return bool(self.evaluate("Boolean(window.WOB_DONE_GLOBAL)"))

    def evaluate(self, expression: str) -> Any:
        """Returns the value of JavaScript.

        Raises:
            PageGoneError: the browser does not answer.
        """
        try:
            return self._env.unwrapped.evaluate(expression)  # pyright: ignore[reportAttributeAccessIssue]
        except RuntimeError as error:
            raise PageGoneError(str(error)) from error
