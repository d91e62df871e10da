"""Whether two data sets hold the same, on disk and for a reader."""

from pathlib import Path

import numpy as np

from worldmodel.data.lerobot import LeRobotSource
from worldmodel.types import Episode


def assert_equal_episodes(ours: Episode, theirs: Episode) -> None:
    for name in ("actions", "action_mask", "state", "reward", "success"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    np.testing.assert_array_equal(ours.frames["pixels"], theirs.frames["pixels"])


def assert_equal_sets(found: Path, wanted: Path) -> None:
    ours, theirs = LeRobotSource(found), LeRobotSource(wanted)
    assert len(ours) == len(theirs)
    for index in range(len(theirs)):
        assert_equal_episodes(ours[index], theirs[index])
    for name in ("meta/info.json", "meta/stats.json", "meta/worldmodel.json"):
        assert (found / name).read_text() == (wanted / name).read_text()
    for file in (wanted / "events").rglob("*.jsonl"):
        assert (found / file.relative_to(wanted)).read_text() == file.read_text()
    assert {file.relative_to(found) for file in found.rglob("*")} == {
        file.relative_to(wanted) for file in wanted.rglob("*")
    }
