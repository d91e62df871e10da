"""What goes wrong on a desktop ends an episode at most; it reaches nobody, and nothing of it is left."""

import gc
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium
import pytest
from Xlib.display import Display
from Xlib.error import DisplayError

from envs import desktop, desktop_programs
from tests.envs.browsing import action
from tests.envs.sitting import PATIENCE_S, make, needs_desktop, processes, sockets, step_until, type_line, wait_for_text

pytestmark = needs_desktop
needs_sandbox = pytest.mark.skipif(
    not needs_desktop.args[0] and bool(desktop_programs.sandbox_problem()), reason="no sandbox is permitted here"
)
# Leaves something in a session of its own, which does not die with the terminal.
STRAY = "xterm -e sh -c 'setsid sleep 1000 & echo $! > started; cat'"
OUTSIDE = """
import os, signal, sys, gymnasium
env = gymnasium.make("envs:worldmodel/Desktop-v0", programs=sys.argv[2])
env.reset(seed=0)
if sys.argv[1] == "raise":
    raise RuntimeError("meant")
if sys.argv[1] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
"""


def left(folder: Path) -> tuple[Any, ...]:
    return processes(folder), list(folder.glob("worldmodel-*"))


def wait_until_gone(folder: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while left(folder) != ({}, []) and time.monotonic() < end:
        time.sleep(0.05)
    assert left(folder) == ({}, [])


@pytest.mark.parametrize(
    ("name", "number"),
    [("xterm", signal.SIGKILL), ("Xvfb", signal.SIGKILL), ("Xvfb", signal.SIGSTOP), ("jwm", signal.SIGKILL)],
)
def test_what_crashes_or_hangs_ends_the_episode_only(name: str, number: signal.Signals, folder: Path) -> None:
    before = sockets()
    env = make(timeout_s=PATIENCE_S if number == signal.SIGKILL else 1.0)
    env.reset(seed=0)
    seen = env.render()
    (found,) = processes(folder, name)
    os.kill(found, number)
    told = step_until(env, lambda told: told[3])
    assert told[0]["pixels"].shape == seen.shape
    assert (told[1], told[2], told[4]["crashed"], told[4]["is_success"]) == (0.0, False, True, False)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(action())
    assert left(folder) == ({}, [])
    assert sockets() <= before
    assert env.reset(seed=0)[1]["crashed"] is False
    env.close()


def test_nothing_is_left_of_a_closed_or_forgotten_environment(folder: Path) -> None:
    before = sockets()
    env = make(STRAY)
    assert left(folder) == ({}, [])  # an environment that is only looked at starts nothing
    env.reset(seed=0)
    wait_for_text(env, "started")
    assert processes(folder, "sleep")
    env.close()
    env.close()
    assert left(folder) == ({}, [])
    assert sockets() <= before
    env.reset(seed=0)
    del env
    gc.collect()
    wait_until_gone(folder)


@pytest.mark.parametrize(("how", "code"), [("end", 0), ("raise", 1), ("kill", -signal.SIGKILL)])
def test_nothing_is_left_of_a_process_that_ends(how: str, code: int, folder: Path) -> None:
    before = sockets()
    words = [sys.executable, "-W", "ignore", "-c", OUTSIDE, how, STRAY]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    wait_until_gone(folder)
    assert sockets() <= before


def test_nothing_but_the_folder_is_left_where_the_supervisor_is_killed(folder: Path) -> None:
    env = make()
    env.reset(seed=0)
    os.kill(env._screen._process.pid, signal.SIGKILL)
    assert step_until(env, lambda told: told[3])[4]["crashed"]
    wait_until_gone(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may have real-time priority")
def test_a_desktop_leaves_the_processor_to_others(folder: Path) -> None:
    """SVT-AV1 leaves root's thread so, and a screen with real-time priority starves the machine."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    env = make()
    env.reset(seed=0)
    assert {os.sched_getscheduler(process) for process in processes(folder)} == {os.SCHED_OTHER}
    env.close()


@needs_sandbox
def test_programs_reach_no_network_and_write_nothing_but_their_home(folder: Path) -> None:
    env = make()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        env.reset(seed=0)
        type_line(
            env, f"(echo > /dev/tcp/127.0.0.1/{listener.getsockname()[1]}) && echo reached > net || echo no > net"
        )
        assert wait_for_text(env, "net") == "no\n"
        with pytest.raises(TimeoutError):
            listener.accept()
    type_line(env, f"touch {folder}/outside && echo written > file || echo no > file")
    assert wait_for_text(env, "file") == "no\n"
    assert not (folder / "outside").exists()
    type_line(env, f"kill -0 {os.getpid()} && echo seen > process || echo no > process")
    assert wait_for_text(env, "process") == "no\n"
    env.close()


def test_programs_and_strangers_learn_no_secrets(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "secret")
    monkeypatch.setenv("XAUTHORITY", "/nowhere")
    env = make()
    env.reset(seed=0)
    type_line(env, "env > seen; echo >> seen")
    assert "SOME_TOKEN" not in wait_for_text(env, "seen")
    assert os.environ["XAUTHORITY"] == "/nowhere"
    with pytest.raises(DisplayError):
        Display(env._screen.name)
    env.close()


def test_without_a_sandbox_there_is_a_warning(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (desktop, desktop_programs):
        monkeypatch.setattr(module, "sandbox_problem", lambda: "not permitted")
    env = make(STRAY)
    with pytest.warns(
        UserWarning, match=r"Desktop: programs have network and all rights of the user \(not permitted\)"
    ):
        env.reset(seed=0)
    wait_for_text(env, "started")
    env.close()
    assert left(folder) == ({}, [])


def test_screens_are_grabbed_where_scenes_are_drawn_and_videos_read() -> None:
    """OpenGL loads the system's libxcb, and decord brings one of its own: they must not get mixed up."""
    first, last = (f"gymnasium.make('envs:worldmodel/{name}-v0').reset()" for name in ("Drawer", "Desktop"))
    program = f"import gymnasium, worldmodel.data.clip; {first}; {last}"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program])
    assert done.returncode == 0
