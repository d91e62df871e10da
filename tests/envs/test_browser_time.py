"""A page's time passes in steps only, so that seed and actions tell everything."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.envs.browsing import MISSING, REASON, action

pytestmark = pytest.mark.skipif(MISSING, reason=REASON)


def digest(env: Any, seed: int, steps: int) -> list[Any]:
    """Everything that an episode of random actions shows."""
    observation, _ = env.reset(seed=seed)
    env.action_space.seed(seed)
    seen = [observation["text"], observation["pixels"].tobytes()]
    for _ in range(steps):
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
        seen += [observation["pixels"].tobytes(), observation["agent_pos"].tolist(), reward, terminated, info]
        if terminated or truncated:
            break
    return seen


@pytest.mark.parametrize("task", ["click-tab-2", "choose-date", "text-editor"])
def test_a_seed_and_actions_tell_everything_in_two_browsers(task: str, opened: Callable[..., Any]):
    one, two = opened(task), opened(task, seed=9)
    for _ in range(3):
        two.step(two.action_space.sample())  # what was before does not matter
    assert digest(one, 4, 12) == digest(two, 4, 12)
    assert digest(one, 5, 0) != digest(two, 4, 0)


def test_time_passes_in_steps_only(tmp_path: Path, opened: Callable[..., Any]):
    page = """<script>seen = []; start = Date.now();
    setInterval(() => seen.push("interval " + (Date.now() - start)), 40);
    setTimeout((word) => seen.push(word + performance.now()), 60, "timeout ");
    requestAnimationFrame((now) => seen.push("frame " + Math.round(now)));
    Promise.resolve().then(() => seen.push("promise"));</script>"""
    (tmp_path / "clock.html").write_text(page)
    env = opened((tmp_path / "clock.html").as_uri())
    assert env.evaluate("seen") == ["promise"]
    env.step(action())
    wanted = ["promise", "frame 17", "interval 40", "timeout 60", "interval 80"]
    assert env.evaluate("seen") == wanted
    env.step(action())
    assert env.evaluate("seen") == [*wanted, "interval 120", "interval 160", "interval 200"]
    assert env.evaluate("new Date().toISOString()") == "2020-01-01T12:00:00.200Z"
    assert env.evaluate("Date().slice(0, 24)") == "Wed Jan 01 2020 12:00:00"


def test_what_a_browser_moves_by_itself_stands_still(tmp_path: Path, opened: Callable[..., Any]):
    """By the clock on the wall, an arrow of a scroll bar goes on after a quarter of a second, and a GIF moves."""
    colours = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    colours[0].save(tmp_path / "moving.gif", save_all=True, append_images=colours[1:], duration=20, loop=0)
    page = "<body style='margin:0; height:3000px'><img src=moving.gif style='position:fixed; left:0; top:0'>"
    (tmp_path / "moves.html").write_text(page)
    env = opened((tmp_path / "moves.html").as_uri())
    down_arrow, colour = (152, 216), env.render()[20, 20].tolist()
    env.step(action(down_arrow, left=1))
    scrolled = env.evaluate("scrollY")
    assert scrolled > 0
    for _ in range(3):
        time.sleep(0.3)
        env.step(action(down_arrow, left=1))
        assert (env.evaluate("scrollY"), env.render()[20, 20].tolist()) == (scrolled, colour)
