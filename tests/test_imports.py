"""The architecture, checked: which package may import which, what stays out of a quick import, how long files get."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("worldmodel", "envs", "policies")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
FORBIDDEN = {"worldmodel": {"envs", "policies"}, "envs": {"policies"}, "policies": {"envs"}}
MAX_FILE_LINES, MAX_FUNCTION_LINES = 350, 40
HEAVY = ("mujoco", "lerobot", "wandb", "decord", "lightning")


def composes(path: Path) -> bool:
    """Whether a file brings model, environments and policies together: the command line and the demonstration."""
    place = path.relative_to(ROOT).as_posix()
    return place in ("worldmodel/cli.py", "worldmodel/demo.py") or place.startswith("worldmodel/commands/")


def imported(tree: ast.AST) -> Iterator[str]:
    """Top-level packages that a file imports anywhere, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import, wanted the full name"
            yield (node.module or "").split(".")[0]


def loaded_by(statement: str, names: tuple[str, ...]) -> list[str]:
    """Which of the modules a fresh interpreter holds after a statement."""
    code = f"{statement}\nimport sys\nprint(*[name for name in {names!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.split()


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [path for path in FILES if not composes(path)], ids=name_of)
def test_directions(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    found = set(imported(ast.parse(path.read_text()))) & FORBIDDEN[package]
    assert not found, f"{package} must not import {', '.join(found)}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_sizes(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert lines <= MAX_FUNCTION_LINES, f"{node.name}: {lines} lines"


def test_loading_a_model_needs_nothing_heavy() -> None:
    modules = "worldmodel, worldmodel.types, worldmodel.models, worldmodel.checkpoint"
    use = f"import {modules}\nworldmodel.load, worldmodel.Episode"
    assert not loaded_by(use, HEAVY)


def test_help_needs_almost_nothing() -> None:
    use = "import worldmodel.cli\nworldmodel.cli.build_parser()"
    assert not loaded_by(use, (*HEAVY, "torch", "numpy", "gymnasium", "rich"))
