"""What tests of real programs share."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.envs.browsing import make


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the browsers and desktops of a test keep their folders and profiles."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def opened() -> Iterator[Callable[..., Any]]:
    """Makes browsers, and closes them after the test."""
    made = []

    def open_one(task: str, seed: int = 0, **options: Any) -> Any:
        made.append(make(task, **options))
        made[-1].reset(seed=seed)
        return made[-1]

    yield open_one
    for env in made:
        env.close()
