"""Whatever happened to a data set: one clear line, or a conversion whose counts add up. No traceback, crash or hang."""

import contextlib
import io
import json
import os
import resource
import shutil
import signal
import tempfile
import traceback
from pathlib import Path
from typing import Any

import pytest

from tests.data.damaging import damage
from tests.data.healthy import EPISODES, HEALTHY, write_healthy
from worldmodel import cli
from worldmodel.data.open import open_dataset

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")
LOSSES = ("deleted", "emptied", "in its place", "left out", "total_episodes")  # whose traces nothing else may bear
CASES = 21  # of each format
LISTED = ("lerobot", "lerobot_foreign", "lerobot_v21", "rlds")  # names or tables in them tell what has to be there
CPU_LIMIT_S, LIMIT_S = 60, 600  # of a case, far more than it takes
MEMORY_BYTES = 6 * 2**30  # address space beyond what the parent has


def run(*words: object) -> tuple[int, str]:
    """Calls the program as a person would; returns its exit code and what it said of mistakes."""
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
        code = cli.main([str(word) for word in words])
    return code, told.getvalue()


def check(path: Path, output: Path, episodes: int) -> str:
    """Opens, shows and converts a set; returns what became of it.

    Args:
        path: what a person opens.
        output: where the converted set goes.
        episodes: how many the set had before it was damaged.
    """
    code = 0
    for words in (("info", path), ("convert", path, output, "--size", 32, 32)):
        code, told = run(*words)
        assert code in (0, cli.USER_ERROR), f"{words[0]} ended with {code}"
        lines = told.splitlines()
        refusals = [line for line in lines if line.startswith("worldmodel: ")]
        assert len(refusals) == (code != 0), f"{words[0]} ended with {code} and said {told!r}"
        if code:
            assert "No such file or directory, wanted a place to write to" not in told, told
    if code:
        assert not output.exists()
        return f"refused: {told}"
    source = open_dataset(path)
    quarantine = output / "quarantine.json"
    noted: dict[str, Any] = {"read": len(source), "quarantined": 0, "episodes": []}
    if quarantine.exists():
        noted = json.loads(quarantine.read_text())
    converted = open_dataset(output)
    assert noted["read"] == len(source) == len(converted) + noted["quarantined"]
    assert len(source) >= episodes or noted["quarantined"], f"only {len(source)} episodes"
    for index in range(len(converted)):
        assert len(converted[index].validate()) > 1
    reasons = [entry["reason"] + ": " + entry["detail"] for entry in noted["episodes"]]
    return f"kept {len(converted)} of {noted['read']} {reasons}"


def outcome(name: str, whole: Path, seed: int) -> str:
    """Damages a copy and checks it, in a process of its own; returns what happened, with a traceback or signal."""
    folder = Path(tempfile.mkdtemp(prefix="damaged_"))
    report = folder / "report"
    child = os.fork()
    if child == 0:
        try:
            signal.setitimer(signal.ITIMER_PROF, CPU_LIMIT_S)
            signal.alarm(LIMIT_S)
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, used + MEMORY_BYTES))
            copy = Path(shutil.copytree(whole, folder / name))
            words = f"{name}, seed {seed}, {damage(copy, seed)}\n"
            report.write_text(words)
            path = copy / "recordings.hdf5" if name == "diffusion_policy" else copy
            gone = any(sign in words for sign in LOSSES) and (name not in LISTED or "total_episodes" in words)
            told = "ok: " + check(path, folder / "converted", 0 if gone else EPISODES[name])
            report.write_text(words + told)
        except BaseException:
            with report.open("a") as file:
                file.write(f"FAILED: {traceback.format_exc()}")
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    told = report.read_text()
    shutil.rmtree(folder)
    if os.WIFSIGNALED(status):
        told += f"FAILED: killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return told


@pytest.fixture(scope="module")
def whole_sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    child = os.fork()  # threads of libraries would not survive the forks of the cases
    if child == 0:
        code = 1
        try:
            for name in HEALTHY:
                write_healthy(name, folder / name)
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    return folder


@pytest.mark.parametrize("name", HEALTHY)
def test_damaged_sets(whole_sets: Path, name: str):
    told = [outcome(name, whole_sets / name, seed) for seed in range(CASES)]
    assert not [line for line in told if "\nok: " not in line]
