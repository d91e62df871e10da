"""A desktop shows what happens on it, and does what it is told with mouse and keyboard."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from envs import desktop_programs
from envs.screen.listener import Event, Listener
from envs.ticks import Ticks
from tests.envs.browsing import action
from tests.envs.sitting import make, needs_desktop, step_until, type_keys, type_line, wait_for_text
from worldmodel.data.screen import KEYS
from worldmodel.types import InputError

pytestmark = needs_desktop


@pytest.fixture
def opened() -> Iterator[Callable[..., Any]]:
    """Makes environments, and closes them after the test."""
    made = []

    def open_one(*words: Any, **options: Any) -> Any:
        made.append(make(*words, **options))
        made[-1].reset(seed=0)
        return made[-1]

    yield open_one
    for env in made:
        env.close()


@contextmanager
def heard(env: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What the X server tells of mouse and keyboard meanwhile; complete at the end."""
    monkeypatch.setenv("DISPLAY", env._display.get_display_name())
    told: list[dict[str, Any]] = []
    with env._screen.permitted():
        listener = Listener({})
    listener.start()
    yield told
    listener.stop(env._display)
    events: list[Event] = [listener.events.get() for _ in range(listener.events.qsize())]
    told += [dict(event.message) for event in events]


def test_every_key_types_what_it_is_called(opened: Callable[..., Any]) -> None:
    env = opened()
    type_line(env, "cat > typed")
    type_keys(env, *(key for key in KEYS if len(key) == 1), "Enter")
    type_keys(env, "d", ctrl=1.0)
    assert wait_for_text(env, "typed") == "".join(map(chr, range(32, 127))) + "\n"


def test_special_keys_and_modifiers(opened: Callable[..., Any]) -> None:
    env = opened()
    type_line(env, "echo > ready")
    wait_for_text(env, "ready")
    type_keys(env, *"ho ", "Home", "c", "End", *"xy", "ArrowLeft", "Delete", "Backspace")
    type_keys(env, "a", ctrl=1.0)
    type_keys(env, "e", "End")
    type_keys(env, "a", "2", "A", "-", shift=1.0)
    type_keys(env, "b", *" > typed", "Enter")
    assert wait_for_text(env, "typed") == "A@A_b\n"


def test_the_hands_do_one_thing_after_the_other(opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    env = opened()
    env.step(action((10, 20)))
    with heard(env, monkeypatch) as told:
        env.step(action((30.7, 40.2), "B", ctrl=1.0, left=1.0, scroll_x=1.2, scroll_y=-2.0))
        env.step(action((30, 40), "c", shift=1.0, right=1.0, scroll_x=-1.0, scroll_y=1.0))
        env.step(action((30, 40)))
    place = {"x": 30, "y": 40}
    key = {"shift": 0xA0, "ctrl": 0xA2, "B": 0x42, "C": 0x43}

    def keys(*names: str) -> list[dict[str, Any]]:
        return [{"event_type": "press" if name[0] == "+" else "release", "vk": key[name[1:]]} for name in names]

    def button(name: str, pressed: bool) -> dict[str, Any]:
        return {"event_type": "click", **place, "button": name, "pressed": pressed}

    def notch(dx: int, dy: int) -> dict[str, Any]:
        return {"event_type": "scroll", **place, "dx": dx, "dy": dy}

    assert told == [
        *keys("+ctrl"),
        {"event_type": "move", **place},
        button("left", True),
        *keys("+shift", "+B", "-B", "-shift"),
        *(notch(1, 0), notch(0, -1), notch(0, -1)),
        *keys("+shift", "-ctrl"),
        *(button("left", False), button("right", True)),
        *keys("+C", "-C"),
        *(notch(-1, 0), notch(0, 1)),
        *keys("-shift"),
        button("right", False),
    ]


def test_the_pointer_stops_at_the_edges(opened: Callable[..., Any]) -> None:
    env = opened(screen=(256, 320))
    seen = [env.step(action(place))[0]["agent_pos"].tolist() for place in ((100, 140), (-50, 1e6), (1e9, -3))]
    assert seen == [[100, 140], [0, 255], [319, 0]]


def test_the_pointer_is_in_the_picture(opened: Callable[..., Any]) -> None:
    env = opened()
    pictures = [env.step(action(place))[0]["pixels"] for place in ((320, 240), (480, 240))]
    changed = (pictures[0] != pictures[1]).any(axis=2)
    assert changed[230:270, 310:340].any()
    assert changed[230:270, 470:500].any()


def test_a_picture_may_be_smaller_than_the_screen(opened: Callable[..., Any]) -> None:
    env = opened(screen=(480, 640), size=(96, 160))
    observation = env.step(action((79.9, 48)))[0]
    assert observation["pixels"].shape == (96, 160, 3)
    np.testing.assert_allclose(observation["agent_pos"], [79.75, 48])
    assert env.embodiment.action.high[:2].tolist() == [160, 96]
    assert env.observation_space.contains(observation)


def test_a_click_brings_a_window_to_the_front(opened: Callable[..., Any]) -> None:
    env = opened(["terminal", "editor"])
    step_until(env, lambda told: told[0]["text"] == "(Untitled)")
    for place, title in (((100, 300), "xterm"), ((480, 300), "(Untitled)")):
        env.step(action(place, left=1.0))
        step_until(env, lambda told, title=title: told[0]["text"] == title, place)
    type_keys(env, *"some words", place=place)
    observation = step_until(env, lambda told: told[0]["text"].startswith("*"), place)[0]
    assert env.observation_space.contains(observation)


def test_the_wheel_scrolls_what_is_below_the_pointer(opened: Callable[..., Any]) -> None:
    env = opened()
    type_line(env, "seq 300; echo > done")
    wait_for_text(env, "done")
    before = step_until(env, lambda _: True)[0]["pixels"]
    env.step(action((320, 240), scroll_y=5.0))
    step_until(env, lambda told: (told[0]["pixels"] != before).any(axis=2).sum() > 300)


def test_what_is_closed_is_gone_and_an_empty_desktop_ends(opened: Callable[..., Any]) -> None:
    env = opened(["terminal", "terminal -T second"])
    type_keys(env, "d", ctrl=1.0)
    step_until(env, lambda told: told[0]["text"] == "xterm")
    told = type_keys(env, *"exit", "Enter")
    _, reward, terminated, _, info = told if told[3] else step_until(env, lambda told: told[3])
    assert (reward, terminated, info["crashed"], info["is_success"]) == (0.0, False, False, False)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(action())
    assert env.reset(seed=0)[1]["crashed"] is False


def test_a_judge_decides(opened: Callable[..., Any]) -> None:
    def judge(home: Path) -> tuple[float, bool]:
        return (1.0, True) if (home / "wanted").exists() else (-0.1, False)

    env = opened(judge=judge, instruction="Make a  file called 'wanted'.")
    observation, reward, terminated, truncated, info = env.step(action())
    assert observation["text"] == env.task_description == "Make a file called 'wanted'."
    assert (reward, terminated, truncated, info["is_success"]) == (-0.1, False, False, False)
    type_line(env, "touch wanted")
    _, reward, _, truncated, info = step_until(env, lambda told: told[2])
    assert (reward, truncated, info["is_success"]) == (1.0, False, True)


def test_every_episode_begins_with_an_empty_home(opened: Callable[..., Any]) -> None:
    env = opened()
    first, place = env.home, env.render()
    type_line(env, "echo > old")
    wait_for_text(env, "old")
    observation, _ = env.reset(seed=0)
    assert env.home != first
    assert not first.exists()
    assert not (env.home / "old").exists()
    np.testing.assert_array_equal(observation["agent_pos"], env.reset(seed=0)[0]["agent_pos"])
    assert env.render().shape == place.shape


def test_ticks_do_not_drift() -> None:
    now = [100.0]
    ticks = Ticks(0.5, clock=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))
    now[0] = 103.0
    ticks.start()
    ends, late = [], []
    for busy in (0.125, 0.0, 0.625, 0.25, 1.75, 0.0):
        now[0] += busy
        late.append(ticks.wait())
        ends.append(now[0])
    assert ends == [103.5, 104.0, 104.625, 105.0, 106.75, 107.0]
    assert late == [0.0, 0.0, 0.125, 0.0, 1.25, 0.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"programs": []}, r"programs \[\], wanted command lines, or some of: terminal, editor, files, browser"),
        ({"programs": ["terminal", ""]}, r"programs \['terminal', ''\], wanted command lines"),
        ({"programs": "xterm 'x"}, r"programs .* \(No closing quotation\), wanted command lines"),
        ({"programs": "no-such-program -x"}, "program 'no-such-program' is not installed, wanted one that is, or of"),
        ({"screen": (480, 641)}, "frame size 480x641, wanted height and width divisible by 16"),
        ({"timeout_s": float("inf")}, "timeout_s inf, wanted a positive number of seconds"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"Desktop: {message}") as caught:
        gymnasium.make("envs:worldmodel/Desktop-v0", **options)
    assert "\n" not in str(caught.value)


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desktop_programs, "KINDS", {"editor": ("no-such-editor",)})
    with pytest.raises(
        InputError, match=r"Desktop: no-such-editor is not installed, .*: apt-get install no-such-editor"
    ):
        make("editor")
    monkeypatch.setenv("PATH", "/nowhere")
    for name, package in (("Xvfb", "xvfb"), ("bwrap", "bubblewrap")):
        with pytest.raises(
            InputError, match=f"Desktop: {name} is not installed, wanted it: apt-get install {package} "
        ):
            desktop_programs.find_program(name, "Desktop")


@pytest.mark.parametrize("program", ["true", "false"])
def test_a_program_without_a_window_is_named(program: str) -> None:
    with pytest.raises(
        InputError,
        match=f"Desktop: {program}: .*{program} or .* ended with status ., wanted programs that show a window",
    ):
        make(program).reset()


def test_a_bad_action_is_refused(opened: Callable[..., Any]) -> None:
    env = opened()
    for bad in (np.zeros(3), action((np.nan, 0))):
        with pytest.raises(InputError, match=r"Desktop: action .* wanted 11 finite numbers"):
            env.step(bad)
