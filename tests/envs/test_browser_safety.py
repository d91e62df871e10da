"""What goes wrong with a browser ends an episode at most; and it reaches nobody."""

import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import gymnasium
import pytest

from tests.envs.browsing import MISSING, REASON, action, click, make, place_of, processes
from worldmodel.types import InputError

pytestmark = pytest.mark.skipif(MISSING, reason=REASON)
PATIENCE_S = 60.0
FETCH = "fetch({!r}, {{mode: 'no-cors'}}).then(() => 'reached', (error) => 'refused')"
OUTSIDE = """
import os, signal, sys, gymnasium
env = gymnasium.make("envs:worldmodel/Browser-v0")
env.reset(seed=0)
if sys.argv[1] == "raise":
    raise RuntimeError("meant")
if sys.argv[1] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
"""


def profiles(folder: Path) -> list[Path]:
    return list(folder.glob("worldmodel-browser-*"))


def browser_processes(folder: Path, kind: str = "") -> dict[int, str]:
    """Processes of the browsers of a test; with a kind, such as ``--type=renderer``, those alone."""
    return {number: line for number, line in processes(folder).items() if kind in line}


def wait_until_gone(folder: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while (browser_processes(folder) or profiles(folder)) and time.monotonic() < end:
        time.sleep(0.05)
    assert (browser_processes(folder), profiles(folder)) == ({}, [])


def assert_ends_and_goes_on(env: Any, folder: Path) -> None:
    """The next step ends the episode, and the next episode is like any other."""
    last = env.render()
    observation, reward, terminated, truncated, info = env.step(action())
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert (info["crashed"], info["is_success"]) == (True, False)
    assert observation["pixels"].shape == last.shape
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(action())
    wait_until_gone(folder)  # who was killed may take a moment to go
    assert env.reset(seed=0)[1]["crashed"] is False
    env.step(action())


@pytest.mark.parametrize("kind", ["", "--type=renderer"])
def test_a_killed_browser_ends_the_episode_only(kind: str, folder: Path) -> None:
    env = make("click-test")
    env.reset(seed=0)
    killed = browser_processes(folder, kind)
    assert killed
    for number in killed:
        os.kill(number, signal.SIGKILL)
    assert_ends_and_goes_on(env, folder)
    click(env, "#subbtn")
    env.close()


def test_a_page_that_hangs_ends_the_episode_only(folder: Path) -> None:
    (folder / "hang.html").write_text("<button onclick='while (true) {}'>hang</button>")
    env = make((folder / "hang.html").as_uri())
    env.reset(seed=0)
    place = place_of(env, "button")
    env.step(action(place, left=1))
    env._browser.timeout_s = 1.0
    _, _, terminated, truncated, info = env.step(action(place))
    assert (terminated, truncated, info["crashed"]) == (False, True, True)
    wait_until_gone(folder)
    assert env.reset(seed=1)[1]["crashed"] is False
    env.close()


def test_a_page_that_hangs_while_it_loads_is_named(folder: Path) -> None:
    (folder / "hang.html").write_text("<script>while (true) {}</script>")
    env = make((folder / "hang.html").as_uri(), timeout_s=1.0)
    with pytest.raises(InputError, match=r"Browser: file://.*hang.html could not be opened .*, wanted a page that"):
        env.reset(seed=0)
    wait_until_gone(folder)


def test_a_scroll_bar_that_is_held_keeps_no_frame_waiting(folder: Path) -> None:
    """The page is wider than its window; a Chromium whose frames wait for a scroll's next event hangs at the third."""
    env = make("ascending-numbers", timeout_s=5.0)
    env.reset(seed=0)
    env.step(action((111, 96), right=1, scroll_x=3.2))
    env.step(action((41, 217), middle=1, scroll_x=-1.4))
    *_, info = env.step(action((69, 155), left=1, shift=1))
    env.close()
    assert info["crashed"] is False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may have real-time priority")
def test_a_browser_leaves_the_processor_to_others(folder: Path) -> None:
    """SVT-AV1 leaves root's thread so, and a browser with real-time priority starves the machine."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    env = make("click-test")
    env.reset(seed=0)
    assert {os.sched_getscheduler(process) for process in processes(folder)} == {os.SCHED_OTHER}
    env.close()


def test_nothing_is_left_of_a_closed_or_forgotten_environment(folder: Path) -> None:
    env = make("click-test")
    assert browser_processes(folder) == {}  # an environment that is only looked at starts no browser
    env.reset(seed=0)
    assert browser_processes(folder)
    assert len(profiles(folder)) == 1
    env.close()
    env.close()
    assert [line for line in browser_processes(folder).values() if "--type=" not in line] == []
    assert profiles(folder) == []
    wait_until_gone(folder)  # the browser's own children may take a moment to go
    env.reset(seed=0)
    del env
    gc.collect()
    wait_until_gone(folder)


@pytest.mark.parametrize(("how", "code"), [("end", 0), ("raise", 1), ("kill", -signal.SIGKILL)])
def test_nothing_is_left_of_a_program_that_ends(how: str, code: int, folder: Path) -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", OUTSIDE, how], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    wait_until_gone(folder)


@pytest.fixture
def listener() -> Iterator[tuple[int, list[str]]]:
    """A server on all addresses of this machine: its port, and the hosts that it was asked for."""
    asked: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["Host"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            pass

    with ThreadingHTTPServer(("0.0.0.0", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, asked
        server.shutdown()


def own_address() -> str | None:
    """This machine's address in its network, if it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return None
        return probe.getsockname()[0]


def test_no_request_leaves_the_machine(folder: Path, listener: tuple[int, list[str]]) -> None:
    port, asked = listener
    (folder / "page.html").write_text("<a href='http://example.org/'>away</a>")
    env = make((folder / "page.html").as_uri())
    env.reset(seed=0)
    for host in ("127.0.0.1", "localhost"):
        assert env.evaluate(FETCH.format(f"http://{host}:{port}/")) == "reached"
    assert len(asked) == 2
    # The machine's own address in the network stands for any other: a request would arrive.
    for host in filter(None, (own_address(), "example.org", "192.0.2.1")):
        if not host.startswith("127."):
            assert env.evaluate(FETCH.format(f"http://{host}:{port}/")) == "refused"
            opened = f"new WebSocket('ws://{host}:{port}/')"
            assert env.evaluate(f"new Promise((done) => {{ {opened}.onclose = () => done('closed'); }})") == "closed"
    assert env.evaluate("typeof RTCPeerConnection") == "undefined"
    assert len(asked) == 2
    _, _, terminated, truncated, info = click(env, "a")
    assert (terminated, truncated, info["crashed"]) == (False, False, False)
    assert env.evaluate("location.href").startswith("chrome-error://")
    env.step(action())
    env.close()
