"""Every limit of the safety layer, at its boundary and past it, and random commands: none may pass unsafely."""

from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from policies.safety import KEPT_EVENTS, SafetyLayer, Stopped
from policies.safety_limits import SafetyLimits
from worldmodel.types import ActionDim, ActionSpec, InputError

INF = float("inf")
# A displacement along a rail, a joint's angle, a switch and a gear.
SPEC = ActionSpec(
    (
        ActionDim("delta_x", low=-0.05, high=0.05, unit="m"),
        ActionDim("joint", low=-1.0, high=2.0, unit="rad"),
        ActionDim("switch", "binary", 0.0, 1.0),
        ActionDim("gear", "categorical", 0.0, 3.0),
    )
)
LIMITS = SafetyLimits(
    SPEC,
    fps=10.0,
    axes=(0, 1, None, None),
    relative=(True, False, False, False),
    max_speed=(0.25, 2.0, INF, INF),  # 0.025 m and 0.2 rad a step
    workspace_low=(0.0, -0.5),
    workspace_high=(1.0, 1.5),
)
SLOW = replace(LIMITS, max_speed=(INF, INF, INF, INF))


class Clock:
    """Stands still until it is told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Driver:
    """Commands a robot that stays where it is, once every 0.1 s, looking each time."""

    def __init__(self, limits: SafetyLimits = LIMITS, x: float = 0.5, joint: float = 0.0, **options: Any) -> None:
        self.clock = Clock()
        self.layer = SafetyLayer(limits, clock=self.clock, **options)
        self.position = np.array([x, joint])

    def send(self, *action: float, wait_s: float = 0.1, look: bool = True) -> list[float]:
        self.clock.now += wait_s
        if look:
            self.layer.observed()
        return self.layer.check(np.array(action, np.float64), self.position).tolist()

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.layer.events]


# Clipped.


def test_what_is_within_all_limits_passes_unchanged():
    driver = Driver()
    assert driver.send(0.02, 0.1, 1.0, 2.0) == [0.02, 0.1, 1.0, 2.0]
    assert driver.send(-0.025, -0.1, 0.0, 0.0) == [-0.025, -0.1, 0.0, 0.0]  # speeds of exactly 0.25 m/s and 2 rad/s
    assert not driver.layer.events


@pytest.mark.parametrize(
    ("wanted", "passed"), [(0.05, 0.05), (np.nextafter(0.05, 1), 0.05), (7.0, 0.05), (-0.05, -0.05), (-7.0, -0.05)]
)
def test_values_of_displacements_end_at_the_limits_of_the_spec(wanted: float, passed: float):
    assert Driver(SLOW).send(wanted, 0, 0, 0)[0] == passed


@pytest.mark.parametrize(("wanted", "passed"), [(1.5, 1.5), (2.0, 2.0), (2.1, 2.0), (-1.0, -1.0), (-1e9, -1.0)])
def test_values_of_joints_end_at_the_limits_of_the_spec(wanted: float, passed: float):
    driver = Driver(replace(SLOW, workspace_low=(0.0, -INF), workspace_high=(1.0, INF)))
    assert driver.send(0, wanted, 0, 0)[1] == passed


@pytest.mark.parametrize(("wanted", "passed"), [(0.0, 0.0), (0.49, 0.0), (0.51, 1.0), (1.0, 1.0), (5.0, 1.0)])
def test_a_switch_is_on_or_off(wanted: float, passed: float):
    assert Driver().send(0, 0, wanted, 0)[2] == passed


@pytest.mark.parametrize(("wanted", "passed"), [(0.0, 0.0), (1.4, 1.0), (2.6, 3.0), (9.0, 3.0), (-1.0, 0.0)])
def test_a_gear_is_a_whole_number(wanted: float, passed: float):
    assert Driver().send(0, 0, 0, wanted)[3] == passed


def test_a_changed_value_is_told():
    driver = Driver(SLOW)
    driver.send(0.07, 0, 0, 0)
    (event,) = driver.layer.events
    assert (event.kind, event.time_s) == ("value", 0.1)
    assert event.reason == "delta_x: 0.07 brought to 0.05 m"


@pytest.mark.parametrize(("wanted", "passed"), [(0.025, 0.025), (0.026, 0.025), (-0.026, -0.025)])
def test_displacements_are_not_faster_than_allowed(wanted: float, passed: float):
    driver = Driver()
    assert driver.send(wanted, 0, 0, 0)[0] == passed
    assert driver.kinds == ["speed"] * (wanted != passed)


def test_joints_move_from_the_last_command_and_first_from_where_they_are():
    driver = Driver(joint=0.5)
    assert driver.send(0, 1.4, 0, 0)[1] == pytest.approx(0.7)
    assert driver.send(0, 1.4, 0, 0)[1] == pytest.approx(0.9)  # although the joint stayed at 0.5
    assert driver.send(0, -1.0, 0, 0)[1] == pytest.approx(0.7)
    assert driver.send(0, 0.75, 0, 0)[1] == 0.75
    assert driver.kinds == ["speed"] * 3


def test_commands_in_quick_succession_share_the_speed_limit():
    driver = Driver()
    driver.send(0, 0, 0, 0)
    assert driver.send(0.05, 1.0, 0, 0, wait_s=0.02)[:2] == pytest.approx([0.005, 0.04])
    assert driver.send(0.05, 1.0, 0, 0, wait_s=0.0)[:2] == pytest.approx([0.0, 0.04])


def test_a_pause_earns_no_longer_step():
    driver = Driver()
    driver.send(0, 0, 0, 0)
    assert driver.send(0.05, 1.0, 0, 0, wait_s=1.5)[:2] == pytest.approx([0.025, 0.2])


@pytest.mark.parametrize(
    ("x", "wanted", "passed"),
    [(0.98, 0.02, 0.02), (0.98, 0.03, 0.02), (0.02, -0.03, -0.02), (1.0, 0.01, 0.0), (1.0, -0.01, -0.01)],
)
def test_displacements_end_at_the_workspace(x: float, wanted: float, passed: float):
    driver = Driver(SLOW, x=x)
    assert driver.send(wanted, 0, 0, 0)[0] == pytest.approx(passed, abs=1e-12)
    assert driver.kinds == ["workspace"] * (wanted != passed)


@pytest.mark.parametrize(("wanted", "passed"), [(1.5, 1.5), (1.6, 1.5), (-0.5, -0.5), (-0.6, -0.5)])
def test_values_end_at_the_workspace(wanted: float, passed: float):
    driver = Driver(SLOW)
    assert driver.send(0, wanted, 0, 0)[1] == passed
    assert driver.kinds == ["workspace"] * (wanted != passed)


@pytest.mark.parametrize(("x", "inward"), [(1.2, -1), (-0.2, 1)])
def test_who_is_outside_may_come_back_but_is_not_pulled(x: float, inward: int):
    driver = Driver(x=x)
    assert driver.send(inward * 0.02, 0, 0, 0)[0] == inward * 0.02
    assert driver.send(0, 0, 0, 0)[0] == 0
    assert driver.send(-inward * 0.02, 0, 0, 0)[0] == 0


def test_no_random_command_passes_unsafely():
    """Whatever is asked of it, whenever, of a robot that follows with noise: what passes is within every limit."""
    rng = np.random.default_rng(0)
    for start in range(12):
        driver = Driver(x=rng.uniform(0, 1), joint=rng.uniform(-0.5, 1.5))
        before, joint = driver.clock.now, driver.position[1]
        for number in range(60):
            scale = 10.0 ** rng.uniform(-3, 3)
            wanted = rng.choice([1.0, np.nan, INF], 4, p=[0.96, 0.02, 0.02]) * rng.normal(0, scale, 4)
            sent = driver.send(*wanted, wait_s=rng.choice([0.1, rng.uniform(0, 0.3)]), look=bool(rng.random() < 0.8))
            elapsed_s = 0.1 if number == 0 else min(0.1, driver.clock.now - before)
            where = f"start {start}, command {number}: {wanted} became {sent}"
            assert -0.05 <= sent[0] <= 0.05, where
            assert abs(sent[0]) <= 0.25 * elapsed_s + 1e-12, where
            assert -1e-12 <= driver.position[0] + sent[0] <= 1 + 1e-12, where
            assert -0.5 <= sent[1] <= 1.5, where
            assert abs(sent[1] - joint) <= 2.0 * elapsed_s + 1e-12, where
            assert sent[2] in (0.0, 1.0), where
            assert sent[3] in (0.0, 1.0, 2.0, 3.0), where
            before, joint = driver.clock.now, sent[1]
            driver.position += np.array([sent[0], 0.0]) + rng.normal(0, 0.001, 2)
            driver.position[0] = np.clip(driver.position[0], 0, 1)


def test_nothing_moves_faster_over_any_time():
    driver, rng = Driver(x=0.0), np.random.default_rng(1)
    driver.send(0, 0, 0, 0)
    start, began = driver.position[0], driver.clock.now
    for wait_s in rng.uniform(0, 0.15, 60):
        driver.position[0] += driver.send(0.05, 0, 0, 0, wait_s=wait_s)[0]
        assert driver.position[0] - start <= 0.25 * (driver.clock.now - began) + 1e-12


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
