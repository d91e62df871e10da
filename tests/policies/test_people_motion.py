"""How scripted people move a mouse and type, without a page."""

import numpy as np
import pytest

from policies.people.body import Body
from policies.people.motion import minimum_jerk, movement_ticks, reach, stroke
from policies.people.page_reader import Thing
from worldmodel.data.screen import KEYS, SCREEN

NAMES = list(SCREEN.action.names)
SCREEN_PX = (160, 224)


def thing(x: float, y: float, side: float) -> Thing:
    """A square in sight."""
    steps = (np.arange(9) + 0.5) / 9 * side
    spots = np.array([(x + i, y + j, min(i, j, side - i, side - j)) for i in steps for j in steps])
    return Thing("button", "", "", False, {}, np.array((x, y, side, side), np.float64), spots)


def column(actions: np.ndarray, name: str) -> list[float]:
    return actions[:, NAMES.index(name)].tolist()


def begin(seed: int, noise: float = 0.0) -> Body:
    body = Body(SCREEN_PX, seed, noise)
    body.feel({"agent_pos": np.array((20.0, 200.0), np.float32)})
    return body


def typed(actions: np.ndarray) -> str:
    """What a field holds after the keys."""
    text = ""
    for key in column(actions, "key"):
        name = KEYS[int(key)]
        text = text[:-1] if name == "Backspace" else text + name
    return text


def test_minimum_jerk_begins_and_ends_at_rest():
    share = np.linspace(0, 1, 1001)
    done = minimum_jerk(share)
    speed, force = np.gradient(done, share), np.gradient(np.gradient(done, share), share)
    assert (done[0], done[-1]) == (0, 1)
    assert (np.diff(done) > 0).all()
    np.testing.assert_allclose((speed[[0, -1]], force[[1, -2]]), 0, atol=0.1)
    np.testing.assert_allclose((speed.max(), share[speed.argmax()]), (1.875, 0.5), atol=0.01)


@pytest.mark.parametrize("ticks", [1, 2, 7])
def test_a_stroke_ends_where_it_should_and_is_never_faster_than_it_may(ticks: int):
    start, end = np.array((10.0, 20.0)), np.array((130.0, 70.0))
    path = stroke(start, end, ticks)
    np.testing.assert_allclose(path[-1], end)
    steps = np.linalg.norm(np.diff(np.vstack((start, path)), axis=0), axis=1)
    assert steps.max() <= 1.875 * 130 / ticks + 1e-9
    bent = stroke(start, end, 6, bend=0.1)
    np.testing.assert_allclose(bent[-1], end)
    np.testing.assert_allclose(bent[2] - (start + end) / 2, (5.0, -12.0))  # a tenth of the way, square to it


def test_far_and_small_things_take_longer():
    ways = ((0.0, 20.0), (40.0, 40.0), (100.0, 40.0), (100.0, 10.0), (200.0, 4.0))
    times = [movement_ticks(distance, size) for distance, size in ways]
    assert times == sorted(times)
    assert (times[0], len(set(times))) == (1, 5)
    assert movement_ticks(100.0, 10.0, pace=2.0) < movement_ticks(100.0, 10.0)


@pytest.mark.parametrize("distance", [0.0, 3.0, 100.0])
def test_a_miss_lands_beside_and_is_put_right(distance: float):
    rng, size = np.random.default_rng(0), 12.0
    start, end = np.array((30.0, 40.0)), np.array((30.0 + distance, 40.0))
    for _ in range(50):
        path, correction = reach(rng, start, end, size, miss=True)
        assert np.linalg.norm(path[-1] - end) > size / 2 + 1.9
        np.testing.assert_allclose(correction[-1], end)
        path, correction = reach(rng, start, end, size)
        np.testing.assert_allclose(path[-1], end)
        assert len(correction) == 0


def test_a_click_is_a_tick_down_and_one_up_on_the_thing():
    missed = 0
    for seed in range(60):
        body, button = begin(seed), thing(100, 30, 16)
        actions = np.array(list(body.click(button)))
        left, places = np.array(column(actions, "left")), actions[:, :2]
        assert left.sum() == left[-2] == 1
        np.testing.assert_array_equal(places[-1], places[-2])
        assert ((places[-1] > (100, 30)) & (places[-1] < (116, 46))).all()
        np.testing.assert_array_equal(places[-3], places[-2])  # it has come to rest
        inside = ((places > (100, 30)) & (places < (116, 46))).all(1)
        beyond = np.linalg.norm(places - (20, 200), axis=1) > 170
        missed += bool((beyond & ~inside)[:-2].any() and len(actions) > 8)
    assert 1 <= missed < 30


def test_the_clumsy_miss_more_and_click_there():
    clicks = {
        noise: sum(
            sum(column(np.array(list(begin(seed, noise).click(thing(100, 30, 16)))), "left")) for seed in range(60)
        )
        for noise in (0.0, 0.3)
    }
    assert clicks[0.0] == 60
    assert clicks[0.3] >= 63


def test_wrong_letters_are_taken_back():
    texts = [np.array(list(begin(seed, 0.2).type("Hello, w0rld!"))) for seed in range(20)]
    assert {typed(actions) for actions in texts} == {"Hello, w0rld!"}
    assert any("Backspace" in [KEYS[int(key)] for key in column(actions, "key")] for actions in texts)
    assert all(len(set(column(actions, "pointer_x"))) == 1 for actions in texts)


def test_a_drag_holds_the_button_on_the_way():
    body = begin(0)
    actions = np.array(list(body.drag(thing(20, 30, 20), np.array((60.0, 40.0)))))
    left = column(actions, "left")
    first = left.index(1.0)
    assert left[-1] == 0
    assert all(left[first:-1])
    np.testing.assert_allclose(actions[-1, :2] - actions[first, :2], (60, 40), atol=1e-4)


def test_paths_stay_on_the_screen_and_follow_from_the_seed():
    def wild(seed: int) -> np.ndarray:
        body = begin(seed)
        return np.array([action for _ in range(40) for action in body.drift(80.0)])

    actions = wild(3)
    assert (actions[:, :2] >= 0).all()
    assert (actions[:, :2] < SCREEN_PX).all()
    np.testing.assert_array_equal(actions, wild(3))
    assert len(actions) != len(wild(4)) or (actions != wild(4)).any()
