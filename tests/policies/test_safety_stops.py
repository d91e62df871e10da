"""What holds a command back or stops it all, what is told of it, and settings that are refused."""

from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from policies.safety import KEPT_EVENTS, Stopped
from tests.policies.safety_driver import INF, LIMITS, SPEC, Driver
from worldmodel.types import ActionDim, InputError

# Held back.


@pytest.mark.parametrize("bad", [np.nan, INF, -INF])
@pytest.mark.parametrize("index", range(4))
def test_what_is_not_finite_is_refused_as_a_whole(bad: float, index: int):
    driver = Driver()
    before = driver.send(0.02, 0.1, 1, 2)
    action = [0.01, 0.0, 0.0, 1.0]
    action[index] = bad
    assert driver.send(*action) == [0.0, *before[1:]]
    assert driver.kinds == ["not finite"]
    assert driver.send(0.01, 0, 0, 1) == [0.01, 0.0, 0.0, 1.0]


def test_without_any_observation_the_robot_stays():
    driver = Driver(joint=0.3)
    assert driver.send(0.02, 0.4, 1, 2, look=False) == [0.0, 0.3, 0.0, 0.0]
    assert driver.layer.events[0].reason == "nothing was seen yet, allowed 0.5 s"


def test_an_old_observation_holds_until_there_is_a_new_one():
    driver = Driver(max_observation_age_s=0.5, max_silence_s=INF)
    driver.clock.now = 0.0
    assert driver.send(0.02, 0.1, 1, 2, wait_s=0.0) == [0.02, 0.1, 1.0, 2.0]
    assert driver.send(0.01, 0.1, 1, 2, wait_s=0.5, look=False)[0] == 0.01  # just fresh enough
    assert driver.send(0.01, 0.2, 0, 1, wait_s=0.01, look=False) == [0.0, 0.1, 1.0, 2.0]
    assert driver.send(0.01, 0.2, 0, 1, look=False) == [0.0, 0.1, 1.0, 2.0]
    assert driver.kinds == ["stale", "stale"]
    assert driver.send(0.01, 0.2, 0, 1) == [0.01, 0.2, 0.0, 1.0]


def test_an_observation_is_as_old_as_its_picture():
    driver = Driver()
    driver.layer.observed(at=driver.clock.now - 0.6)  # a camera that lags
    assert driver.send(0.02, 0, 0, 0, wait_s=0.0, look=False)[0] == 0
    driver.layer.observed(at=driver.clock.now - 0.4)
    assert driver.send(0.02, 0, 0, 0, wait_s=0.05, look=False)[0] == pytest.approx(0.0125)
    for wrong in (driver.clock.now + 1e-3, np.nan):
        with pytest.raises(InputError, match="wanted a time up to now"):
            driver.layer.observed(at=wrong)


# Stopped.


def test_silence_is_a_lost_connection():
    driver = Driver(max_observation_age_s=INF, max_silence_s=2.0)
    driver.clock.now = 0.0
    driver.send(0.02, 0, 0, 0, wait_s=0.0)
    assert driver.send(0.02, 0, 0, 0, wait_s=2.0, look=False)[0] == 0.02  # just within
    driver.layer.heartbeat()
    assert driver.send(0.02, 0, 0, 0, wait_s=1.0, look=False)[0] == 0.02
    with pytest.raises(Stopped, match=r"lost stop: no sign of life for 2.1 s, allowed 2 s"):
        driver.send(0.02, 0, 0, 0, wait_s=1.1, look=False)
    with pytest.raises(Stopped):
        driver.send(0.02, 0, 0, 0)  # although it is heard again


@pytest.mark.parametrize("bad", [np.nan, INF])
def test_a_position_that_is_no_number_is_a_lost_connection(bad: float):
    driver = Driver(x=bad)
    with pytest.raises(Stopped, match="wanted finite numbers"):
        driver.send(0, 0, 0, 0)
    driver.position[0] = 0.5
    with pytest.raises(Stopped):
        driver.send(0, 0, 0, 0)


@pytest.mark.parametrize("stop", ["lost", "emergency_stop"])
def test_a_stop_lasts_until_it_is_reset_and_then_one_has_to_look_again(stop: str):
    driver = Driver()
    driver.send(0.02, 0, 0, 0)
    getattr(driver.layer, stop)("somebody shouted")
    for _ in range(3):
        with pytest.raises(Stopped, match="stop: somebody shouted"):
            driver.send(0, 0, 0, 0)
    driver.layer.reset()
    assert driver.layer.stopped is None
    assert driver.send(0.02, 0, 0, 0, look=False)[0] == 0
    assert driver.send(0.02, 0, 0, 0)[0] == 0.02
    assert driver.kinds == [stop.removesuffix("_stop"), "reset", "stale"]


def test_another_thread_can_stop_it():
    driver = Driver()
    button = Thread(target=driver.layer.emergency_stop, args=("button",))
    button.start()
    button.join()
    with pytest.raises(Stopped, match="emergency stop: button"):
        driver.send(0, 0, 0, 0)


def test_the_first_reason_is_the_one_that_is_told():
    driver = Driver()
    driver.layer.lost("cable")
    driver.layer.emergency_stop("button")
    with pytest.raises(Stopped, match="lost stop: cable"):
        driver.send(0, 0, 0, 0)
    assert driver.kinds == ["lost", "emergency"]


def test_a_file_stops_everything_and_its_removal_alone_starts_nothing(tmp_path: Path):
    file = tmp_path / "STOP"
    driver = Driver(stop_file=file)
    assert driver.send(0.02, 0, 0, 0)[0] == 0.02
    file.touch()
    for _ in range(2):
        with pytest.raises(Stopped, match="emergency stop: file"):
            driver.send(0.02, 0, 0, 0)
        with pytest.raises(Stopped):
            driver.layer.reset()
    file.unlink()
    with pytest.raises(Stopped):
        driver.send(0.02, 0, 0, 0)
    driver.layer.reset()
    assert driver.send(0.02, 0, 0, 0)[0] == 0.02
    assert driver.kinds == ["emergency", "reset"]


def test_a_joint_too_far_outside_to_be_moved_safely_stops():
    """From 1.8 rad, 1.5 is nearer than the speed limit would allow in one step: neither limit may give."""
    driver = Driver(joint=1.8)
    with pytest.raises(Stopped, match=r"outside stop: joint: nothing is within value \[-1, 2\], speed \[1.6, 2\], w"):
        driver.send(0, 1.0, 0, 0)
    driver.position[1] = 1.65
    driver.layer.reset()
    assert driver.send(0, 1.6, 0, 0)[1] == 1.5


# Told.


def test_events_are_logged_and_the_last_ones_kept(caplog: pytest.LogCaptureFixture):
    driver = Driver()
    with caplog.at_level("INFO"):
        driver.send(1.0, 0, 0, 0)
        driver.layer.emergency_stop("button")
    levels = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert levels[0] == ("INFO", "safety: value: delta_x: 1 brought to 0.05 m")
    assert levels[-1] == ("ERROR", "safety: emergency: button")
    for number in range(KEPT_EVENTS):
        driver.layer.lost(str(number))
    assert len(driver.layer.events) == KEPT_EVENTS
    assert driver.layer.stopped is not None
    assert driver.layer.stopped.reason == "button"


def test_an_action_of_another_size_is_a_mistake():
    layer = Driver().layer
    with pytest.raises(InputError, match=r"\(actions, positions\) \(3, 2\), wanted \(4, 2\)"):
        layer.check(np.zeros(3), np.zeros(2))
    with pytest.raises(InputError, match=r"\(4, 1\), wanted \(4, 2\)"):
        layer.check(np.zeros(4), np.zeros(1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"axes": (0, 1)}, "'axes': 2.*wanted 4"),
        ({"workspace_low": (0.0,)}, "1 lows and 2 highs"),
        ({"fps": 0.0}, "0.0 commands per second"),
        ({"workspace_low": (1.0, 0.0)}, r"workspace \[1.0, 1.0\], wanted low < high"),
        ({"workspace_high": (np.nan, 1.0)}, "wanted low < high"),
        ({"max_speed": (0.0, 1.0, INF, INF)}, "'delta_x': speed 0.0"),
        ({"max_speed": (np.nan, 1.0, INF, INF)}, "'delta_x': speed nan"),
        ({"axes": (2, 1, None, None)}, "'delta_x': position dimension 2, wanted one below 2"),
        ({"axes": (0, None, None, None)}, "'joint': no position dimension"),
        ({"axes": (0, 1, 1, None)}, "'switch': binary with axis"),
        ({"max_speed": (1.0, 1.0, INF, 1.0)}, "'gear': categorical with axis, displacement or speed"),
        ({"action": replace(SPEC, dims=(ActionDim("delta_x", low=0.1), *SPEC.dims[1:]))}, "wanted 0 among its values"),
    ],
)
def test_limits_that_cannot_be_kept_are_refused(changes: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        replace(LIMITS, **changes)


@pytest.mark.parametrize("option", ["max_observation_age_s", "max_silence_s"])
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_ages_are_positive(option: str, value: float):
    with pytest.raises(InputError, match=f"{option} {value}, wanted a positive number"):
        Driver(**{option: value})
