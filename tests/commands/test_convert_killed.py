"""Kill -9 at any moment of a conversion: what is there opens, and the same command ends in the same data set."""

import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from tests.commands.running import SIZE_PX, run
from tests.data.making import write_hdf5
from tests.killing import dies
from worldmodel.data.manifest import read_manifest
from worldmodel.data.open import open_dataset
from worldmodel.data.quality import QUARANTINE

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")
KEPT = (1, 2, 4)  # of five episodes; the first and the fourth hold NaN


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    actions = np.random.default_rng(1).uniform(0, 512, (20, 2)).astype(np.float32)
    actions[[2, 13]] = np.nan
    path = tmp_path_factory.mktemp("source") / "five.hdf5"
    return write_hdf5(path, ends=(4, 8, 12, 16, 20), size=SIZE_PX, action=actions)


@pytest.fixture(scope="module")
def whole(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("whole") / "set"
    dies(lambda: (run("convert", source, output), os.kill(os.getpid(), signal.SIGKILL)), lambda: None)
    assert len(open_dataset(output)) == len(KEPT)
    return output


def assert_same(found: Path, wanted: Path) -> None:
    ours, theirs = open_dataset(found), open_dataset(wanted)
    assert len(ours) == len(theirs)
    for index in range(len(ours)):
        np.testing.assert_array_equal(ours[index].actions, theirs[index].actions)
        np.testing.assert_array_equal(ours[index].frames["pixels"], theirs[index].frames["pixels"])
    assert read_manifest(found) == read_manifest(wanted)
    assert (found / QUARANTINE).read_text() == (wanted / QUARANTINE).read_text()
    assert [path.name for path in found.parent.iterdir()] == [found.name]


# Where a step of the writer ends on disk: 7 renames an episode and one for every note of what is left out, and the
# folders that are made, emptied and removed in between.
MOMENTS = [
    *[(Path, "replace", call) for call in (1, 3, 7, 8, 14, 16, 23)],
    *[(Path, "mkdir", call) for call in (1, 5, 9)],
    *[(shutil, "rmtree", call) for call in (1, 2, 5)],
]


@pytest.mark.parametrize(("owner", "name", "call"), MOMENTS, ids=[f"{name}-{call}" for _, name, call in MOMENTS])
def test_a_killed_conversion_goes_on(
    source: Path, whole: Path, output: Path, owner: type, name: str, call: int
) -> None:
    def prepare() -> None:
        original, calls = getattr(owner, name), [0]

        def count(*arguments: object, **options: object) -> object:
            calls[0] += 1
            if calls[0] == call:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **options)

        setattr(owner, name, count)

    dies(lambda: run("convert", source, output), prepare)
    for part in output.parent.glob(".*.part") if output.parent.exists() else ():
        if not output.exists() and (part / "meta/info.json").exists():
            unfinished, truth = open_dataset(part), open_dataset(source)  # as it is, without repair
            assert 1 <= len(unfinished) <= len(KEPT)
            for index in range(len(unfinished)):
                np.testing.assert_array_equal(unfinished[index].actions, truth[KEPT[index]].actions)
    if not output.exists():
        assert run("convert", source, output) == 0
    assert_same(output, whole)
