"""What the tests of the browser share: actions by name, places of things on a page, and processes."""

import os
import shutil
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from envs.chromium import BINARIES
from worldmodel.data.screen import KEYS, SCREEN

MISSING = not any(map(shutil.which, BINARIES))
REASON = f"none of {', '.join(BINARIES)} is installed"
PLACE = "(box => [box.x + box.width / 2, box.y + box.height / 2])(document.querySelector('{}').getBoundingClientRect())"


def make(task: str | list[str], **options: Any) -> Any:
    """The environment itself, without Gymnasium's wrappers."""
    return gymnasium.make("envs:worldmodel/Browser-v0", task=task, **options).unwrapped


def action(place: tuple[float, float] = (0, 0), key: str = "", **values: float) -> np.ndarray:
    """An action from the names of its dimensions."""
    named = {"pointer_x": place[0], "pointer_y": place[1], "key": KEYS.index(key), **values}
    assert set(named) <= set(SCREEN.action.names)
    return np.array([named.get(name, 0) for name in SCREEN.action.names], np.float32)


def place_of(env: Any, selector: str) -> tuple[float, float]:
    """The middle of the first element that fits a CSS selector, in px."""
    x, y = env.evaluate(PLACE.format(selector))
    return x, y


def click(env: Any, selector: str) -> tuple[Any, ...]:
    """Moves to an element, presses and releases the left button; returns what the last step did."""
    place = place_of(env, selector)
    env.step(action(place, left=1))
    return env.step(action(place))


def type_text(env: Any, text: str) -> None:
    """Types a character a tick, with the pointer out of the way."""
    for sign in text:
        env.step(action((5, 200), sign))


def processes(folder: Path, seen: dict[Path, set[str]] = {}) -> dict[int, str]:  # noqa: B006  (meant to be kept)
    """Command lines, by number, of the browsers whose ``TMPDIR`` a folder is, and of what belongs to them.

    Chromium's children overwrite what they inherit; they are found by the session of the browser, once that was seen.
    """
    sessions, lines, own = seen.setdefault(folder, set()), {}, str(os.getsid(0))
    for process in Path("/proc").glob("[0-9]*"):
        try:
            session = (process / "stat").read_text().rpartition(")")[2].split()[3]
            given = (process / "environ").read_bytes().split(b"\0")
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended, or is not ours
            continue
        if session != own and line:  # none: it ended, and nobody has asked how
            lines[int(process.name)] = (session, line)
            if f"TMPDIR={folder}".encode() in given:
                sessions.add(session)
    return {number: line for number, (session, line) in lines.items() if session in sessions}
