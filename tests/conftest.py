"""Every test runs on one thread, from the same seed, without screen, network, accounts or the user's own files."""

import atexit
import os
import random
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

os.environ.update(
    XDG_DATA_HOME=tempfile.mkdtemp(prefix="worldmodel_tests_"),  # for fixtures of a wider scope than a test
    XDG_CACHE_HOME=tempfile.mkdtemp(prefix="worldmodel_tests_"),
    SDL_VIDEODRIVER="dummy",
    PYGAME_HIDE_SUPPORT_PROMPT="1",
    MPLBACKEND="Agg",
    HF_HUB_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    WANDB_MODE="disabled",
    WANDB_SILENT="true",
    OMP_NUM_THREADS="1",
    COLUMNS="200",  # rich and argparse wrap the same everywhere
    NO_COLOR="1",
)

import numpy as np
import pytest
import torch

torch.set_num_threads(1)
for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
    atexit.register(shutil.rmtree, os.environ[name], ignore_errors=True)


@pytest.fixture(autouse=True)
def same_seed() -> None:
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 (libraries that still draw from it)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def own_registry(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tombstones that a test leaves are its own; returns the folder of user data."""
    folder = tmp_path_factory.mktemp("user_data")
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """What a command of LeRobot's leaves to handle signals goes with the test: Ctrl-C is to stop the suite."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
