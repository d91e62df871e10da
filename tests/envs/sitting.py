"""What the tests of the desktop share: somebody who sits before it, and the processes behind it."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import pytest

from envs.desktop_programs import KINDS, MANAGER
from envs.ticks import Ticks
from tests.envs.browsing import action

NEEDED = ("Xvfb", "bwrap", MANAGER, *(KINDS[kind][0] for kind in ("terminal", "editor", "files")))
MISSING = [name for name in NEEDED if shutil.which(name) is None]
needs_desktop = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
PATIENCE_S = 60.0
MIDDLE = (320, 240)


def make(programs: Any = "terminal", **options: Any) -> Any:
    """The environment itself, without Gymnasium's wrappers, in a hurry."""
    env: Any = gymnasium.make("envs:worldmodel/Desktop-v0", programs=programs, **options).unwrapped
    env._ticks = Ticks(0.01)
    return env


def type_keys(env: Any, *keys: str, place: tuple[float, float] = MIDDLE, **held: float) -> tuple[Any, ...]:
    """Types a key a tick; returns what the last step did."""
    told = ()
    for key in keys:
        told = env.step(action(place, key, **held))
    return told


def type_line(env: Any, text: str) -> None:
    type_keys(env, *text, "Enter")


def step_until(
    env: Any, holds: Callable[[tuple[Any, ...]], Any], place: tuple[float, float] = MIDDLE
) -> tuple[Any, ...]:
    """Does nothing until something holds for what a step tells; returns that."""
    end_s = time.monotonic() + PATIENCE_S
    while not holds(told := env.step(action(place))):
        assert time.monotonic() < end_s, "waited too long"
    return told


def wait_for_text(env: Any, name: str) -> str:
    """What a file in the home holds, as soon as it ends with a line end."""
    path = env.home / name
    step_until(env, lambda _: path.exists() and path.read_text().endswith("\n"))
    return path.read_text()


def processes(folder: Path, name: str = "") -> dict[int, bytes]:
    """Command lines, by number, of the desktops whose folders lie in a folder; with a name, of those programs alone."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            given = (process / "environ").read_bytes().split(b"\0")
            line = (process / "cmdline").read_bytes()
            program = (process / "comm").read_text().strip()
        except OSError:  # it ended, or is not ours
            continue
        if line and any(word.startswith(f"HOME={folder}/".encode()) for word in given) and name in ("", program):
            found[int(process.name)] = line
    return found


def sockets() -> set[Path]:
    """Of the X servers of this machine."""
    return set(Path("/tmp/.X11-unix").glob("X*")) | set(Path("/tmp").glob(".X*-lock"))
