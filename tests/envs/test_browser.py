import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from envs import chromium, extras
from tests.envs.browsing import MISSING, REASON, action, click, make, place_of, type_text
from worldmodel.data.screen import KEYS, SCREEN
from worldmodel.screen.pointer import HEIGHT, WIDTH, draw_pointer
from worldmodel.types import InputError

pytestmark = pytest.mark.skipif(MISSING, reason=REASON)
FORM = """<title>Fill in</title><body style="margin:0">
<input id=one><input id=two style="display:block">
<div id=list style="height:60px; overflow-y:scroll"><p style="height:400px">much</p></div>
<script>
document.onclick = (event) => document.body.dataset.clicks = event.detail;
document.onkeydown = (event) => document.body.dataset.key = [event.key, event.code, event.shiftKey, event.ctrlKey];
</script>"""


@pytest.fixture
def form(tmp_path: Path, opened: Callable[..., Any]) -> Any:
    (tmp_path / "form.html").write_text(FORM)
    return opened((tmp_path / "form.html").as_uri(), size=(160, 320))


@pytest.mark.filterwarnings("ignore:.*symmetric and normalized")
def test_gymnasium_accepts_it():
    env = gymnasium.make("envs:worldmodel/Browser-v0", task="click-test")
    check_env(env.unwrapped)
    observation, info = env.reset(seed=0)
    assert observation["pixels"].shape == (224, 160, 3)
    assert observation["text"] == "Click the button." == env.get_wrapper_attr("task_description")
    assert (info["is_success"], env.metadata["render_fps"]) == (False, SCREEN.fps)
    assert env.get_wrapper_attr("embodiment") == SCREEN
    np.testing.assert_array_equal(env.render(), observation["pixels"])
    env.close()


def test_the_same_seed_draws_the_problem_of_the_package_itself(opened: Callable[..., Any]):
    env = opened("click-test", seed=7)
    style = env.evaluate("document.querySelector('#subbtn').getAttribute('style')")
    again = "(Math.seedrandom(7), core.startEpisodeReal(), document.querySelector('#subbtn').getAttribute('style'))"
    assert env.evaluate(again) == style


def test_a_click_on_the_button_succeeds(opened: Callable[..., Any]):
    env = opened("click-test")
    observation, reward, terminated, truncated, info = env.step(action(place_of(env, "#subbtn"), left=1))
    assert (reward, terminated, truncated, info["is_success"]) == (0.0, False, False, False)
    observation, reward, terminated, truncated, info = env.step(action(place_of(env, "#subbtn")))
    assert (reward, terminated, truncated, info["is_success"]) == (1.0, True, False, True)
    np.testing.assert_array_equal(observation["pixels"][0, 0], [255, 255, 0])  # the last picture shows the page still
    env.reset(seed=1)
    _, reward, terminated, _, info = env.step(action((3, 3)))
    assert (reward, terminated, info["is_success"]) == (0.0, False, False)


def test_a_wrong_answer_is_paid_for(opened: Callable[..., Any]):
    env = opened("click-test-2")
    name = env.evaluate("core.getUtterance().includes('ONE') ? '#subbtn2' : '#subbtn'")
    _, reward, terminated, _, info = click(env, name)
    assert (reward, terminated, info["is_success"]) == (-1.0, True, False)


def test_text_is_typed(opened: Callable[..., Any]):
    env = opened("enter-text", seed=3)
    wanted = env.task_description.split('"')[1]
    click(env, "#tt")
    type_text(env, wanted)
    _, reward, terminated, _, info = click(env, "#subbtn")
    assert (reward, terminated, info["is_success"]) == (1.0, True, True)


def test_every_key_types_what_it_is_called(form: Any):
    click(form, "#one")
    type_text(form, "".join(key for key in KEYS if len(key) == 1))
    assert form.evaluate("document.querySelector('#one').value") == "".join(map(chr, range(32, 127)))


def test_modifiers_and_special_keys(form: Any):
    def type_keys(*keys: tuple[str, dict[str, float]]) -> str:
        for key, held in keys:
            form.step(action((5, 150), key, **held))
        return form.evaluate("document.activeElement.value")

    ctrl, shift = {"ctrl": 1.0}, {"shift": 1.0}
    click(form, "#one")
    assert type_keys(("a", {}), ("a", shift), ("1", shift), ("A", {}), (" ", {}), ("!", {})) == "aA!A !"
    assert form.evaluate("document.body.dataset.key") == "!,Digit1,true,false"
    assert type_keys(("Backspace", {}), ("Home", {}), ("Delete", {}), ("ArrowRight", {}), ("-", {})) == "A-!A "
    assert type_keys(("ArrowLeft", shift), ("x", {}), ("End", {}), ("b", {})) == "Ax!A b"
    assert type_keys(("a", ctrl), ("c", ctrl), ("Tab", {}), ("v", ctrl), ("v", ctrl)) == "Ax!A bAx!A b"
    assert form.evaluate("document.activeElement.id") == "two"
    form.reset()
    click(form, "#one")
    assert type_keys(("v", ctrl)) == ""  # the clipboard is empty again


def test_a_thing_is_dragged(opened: Callable[..., Any]):
    env = opened("drag-box")
    small, large = place_of(env, "#draggableSmall"), place_of(env, "#draggableLarge")
    env.step(action(small))
    env.step(action(small, left=1))
    env.step(action(((small[0] + large[0]) / 2, small[1]), left=1))
    env.step(action(large, left=1))
    env.step(action(large))
    np.testing.assert_allclose(place_of(env, "#draggableSmall"), large, atol=2)
    _, reward, terminated, _, _ = click(env, "#subbtn")
    assert (reward, terminated) == (1.0, True)


def test_two_quick_clicks_are_a_double_click(form: Any):
    place = place_of(form, "#list")
    clicks = []
    for left in (1, 0, 1, 0, *(0,) * 6, 1, 0):
        form.step(action(place, left=left))
        clicks.append(form.evaluate("document.body.dataset.clicks"))
    assert [clicks[at] for at in (1, 3, -1)] == ["1", "2", "1"]


def test_the_wheel_scrolls_what_is_below_the_pointer(form: Any):
    place = place_of(form, "#list")
    form.step(action(place, scroll_y=-2))
    assert form.evaluate("document.querySelector('#list').scrollTop") == 106
    form.step(action(place, scroll_y=1))
    assert form.evaluate("document.querySelector('#list').scrollTop") == 53
    form.evaluate("document.querySelector('#list').onwheel = (event) => event.preventDefault()")
    form.step(action(place, scroll_y=1))
    assert form.evaluate("document.querySelector('#list').scrollTop") == 53


def test_raw_events_are_told(form: Any):
    """In order, with the page's own time, and with what they were meant for."""
    x, y = map(int, place_of(form, "#two"))
    told = [
        form.step(step)[-1]["events"]
        for step in (
            action((x, y), left=1),
            action((x, y)),
            action((x, y), "b", shift=1),
            action((x, y), scroll_y=-2),
            action((x, y)),
        )
    ]
    place, key = {"x": x, "y": y}, {"key": "B", "code": "KeyB", "target": "input#two"}
    shift = {"key": "Shift", "code": "ShiftLeft", "target": "input#two"}
    click = {"button": "left", "clicks": 1, "role": "textbox", "target": "input#two"}
    wanted = [
        [("move", {"target": "input#two"}), ("press", click)],
        [("release", click)],
        [("key_down", shift), ("key_down", key), ("key_up", key)],
        [("key_up", shift), ("wheel", {"dx": 0, "dy": 106, "target": "input#two"})],
        [],
    ]
    assert told == [
        [{"tick": tick, "time_ns": tick * 10**8, "kind": kind, **place, **more} for kind, more in events]
        for tick, events in enumerate(wanted)
    ]
    assert form.evaluate("document.querySelector('#two').value") == "B"
    form.reset()
    assert form.step(action((5, 5)))[-1]["events"][0]["tick"] == 0


def test_every_reset_draws_one_of_several_tasks(opened: Callable[..., Any]):
    env = opened(["click-test", "focus-text"])
    drawn = []
    for seed in (*range(6), *range(6)):
        observation, _ = env.reset(seed=seed)
        drawn.append(env.task)
        told = {"click-test": "Click the button.", "focus-text": "Focus into the textbox."}[env.task]
        assert observation["text"] == env.task_description == told
    assert drawn[:6] == drawn[6:]
    assert set(drawn) == set(env.tasks) == {"click-test", "focus-text"}


def test_an_episode_goes_on_for_a_while_after_the_judgement(opened: Callable[..., Any]):
    env = opened("click-test", hold=3)
    place = place_of(env, "#subbtn")
    told = [env.step(step) for step in (action(place, left=1), action(place), action((3, 180)), action((3, 190)))]
    assert [reward for _, reward, *_ in told] == [0.0, 1.0, 1.0, 1.0]
    assert [(terminated, info["is_success"]) for *_, terminated, _, info in told] == [
        (False, False),
        (False, True),
        (False, True),
        (True, True),
    ]
    np.testing.assert_array_equal(told[-1][0]["pixels"][0, 0], [255, 255, 0])  # nothing covers the page
    env.reset(seed=0)
    click(env, "#subbtn")
    assert not env.step(action())[2]  # a new episode counts anew


def test_a_list_of_choices_unfolds_in_the_picture(opened: Callable[..., Any]):
    env = opened("choose-list")
    before = env.render()
    click(env, "select")
    assert (env.render() != before)[80:].any(axis=2).mean() > 0.05


def test_the_pointer_is_drawn_and_stops_at_the_edges(form: Any):
    seen = []
    for place in ((100, 140), (-50, 1e6), (1e9, -3)):
        observation = form.step(action(place))[0]
        seen.append(observation["agent_pos"].tolist())
        x, y = map(int, seen[-1])
        np.testing.assert_array_equal(observation["pixels"][y, x], 0)
    assert seen == [[100, 140], [0, 159], [319, 0]]
    white = np.full((40, 40, 3), 255, np.uint8)
    draw_pointer(white, 8, 9)
    rows, columns = np.nonzero((white == 0).all(axis=2))
    assert (rows.min(), columns.min(), rows.max(), columns.max()) == (9, 8, 8 + HEIGHT, 7 + WIDTH)


def test_a_page_of_its_own_on_localhost_ends_its_episode(tmp_path: Path, opened: Callable[..., Any]):
    (tmp_path / "first.html").write_text("<title>Follow the link</title><a href='second.html'>on</a>")
    done = "document.onclick = () => { WOB_RAW_REWARD_GLOBAL = 0.5; WOB_DONE_GLOBAL = true; }"
    (tmp_path / "second.html").write_text(f"<h1>here</h1><script>{done}</script>")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *words: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        env = opened(f"http://localhost:{server.server_port}/first.html")
        assert env.task_description == "Follow the link"
        _, reward, terminated, _, _ = click(env, "a")
        assert (reward, terminated) == (0.0, False)
        _, reward, terminated, _, info = click(env, "h1")
        assert (reward, terminated, info["is_success"]) == (0.5, True, True)
        server.shutdown()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "click-tset"}, "task 'click-tset' is unknown, wanted one of MiniWoB.*, such as click-test, .*"),
        ({"task": "file:///nowhere.html"}, "task 'file:///nowhere.html': no such file, wanted an HTML file"),
        ({"task": "https://example.org/"}, "task 'https://example.org/' is elsewhere, wanted file:// or .*localhost"),
        ({"size": (210, 160)}, "frame size 210x160, wanted height and width divisible by 16"),
        ({"size": [224]}, r"size \[224\], wanted a number, or height and width"),
        ({"timeout_s": 0.0}, "timeout_s 0.0, wanted a positive number of seconds"),
        ({"hold": 0}, "hold 0, wanted at least 1 step"),
        ({"task": []}, "no task, wanted at least one"),
        ({"task": ["click-test", "click-tset"]}, "task 'click-tset' is unknown, wanted one of MiniWoB.*"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(InputError, match=f"Browser: {message}") as caught:
        gymnasium.make("envs:worldmodel/Browser-v0", **options)
    assert "\n" not in str(caught.value)


def test_a_server_that_is_not_there_is_named(opened: Callable[..., Any]):
    with pytest.raises(InputError, match=r"Browser: http://localhost:1/ cannot be opened \(net::ERR_"):
        opened("http://localhost:1/")


def test_a_bad_action_is_refused(opened: Callable[..., Any]):
    env = opened("click-test")
    for bad in (np.zeros(3), action((np.nan, 0))):
        with pytest.raises(InputError, match=r"Browser: action .* wanted 11 finite numbers"):
            env.step(bad)
    env.close()
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(action())


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chromium, "BINARIES", ("no-such-browser",))
    with pytest.raises(InputError, match="no-such-browser is installed, wanted one: apt-get install chromium-headless"):
        make("click-test")
    monkeypatch.setattr(extras, "find_spec", lambda module: None)
    with pytest.raises(InputError, match=r"Browser: package 'miniwob' is not installed.*worldmodel\[browser\]"):
        make("click-test")
