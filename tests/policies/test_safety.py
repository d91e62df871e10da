"""Every limit that clips, at its boundary and past it, and random commands: none may pass unsafely."""

from dataclasses import replace

import numpy as np
import pytest

from tests.policies.safety_driver import INF, SLOW, Driver


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
