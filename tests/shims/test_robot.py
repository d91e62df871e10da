"""The simulated arm: LeRobot's interface, and every limit as the arm feels it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lerobot.teleoperators import TeleoperatorConfig, make_teleoperator_from_config
from lerobot.utils.errors import DeviceAlreadyConnectedError, DeviceNotConnectedError

from policies.safety import Stopped
from tests.shims.arm import ACTIONS, HIGH, LOW, POSITIONS, action_of
from worldmodel.types import InputError


def target(robot: Any) -> np.ndarray:
    """The place that the hand is drawn to."""
    return robot.scene.privileged_state["target"]


def kinds(robot: Any) -> list[str]:
    return [event.kind for event in robot.safety.events]


# LeRobot's interface.


def test_what_it_shows_is_what_it_says_that_it_shows(make: Callable[..., Any]):
    robot = make(cameras=["fixed", "wrist"])
    assert robot.is_calibrated
    assert robot.action_features == dict.fromkeys(ACTIONS, float)
    for _ in range(2):
        seen = robot.get_observation()
        assert list(seen) == list(robot.observation_features) == [*POSITIONS, "fixed", "wrist"]
        for name, feature in robot.observation_features.items():
            assert isinstance(seen[name], float) if feature is float else seen[name].shape == feature
        robot.send_action(action_of(0.02, 0, 0, 0.04))


def test_a_step_is_a_command_and_does_what_it_returns(make: Callable[..., Any]):
    robot = make()
    before, seen = target(robot), robot.get_observation()
    assert robot.send_action(action_of(0.02, -0.01, 0.01, 0.08)) == action_of(0.02, -0.01, 0.01, 0.08)
    assert target(robot) - before == pytest.approx([0.02, -0.01, 0.01])
    after = robot.get_observation()
    assert after["x.pos"] > seen["x.pos"] + 0.005
    assert after["opening.pos"] > seen["opening.pos"] + 0.01
    assert (after["fixed"] != seen["fixed"]).any()
    assert not robot.safety.events


def test_it_is_used_only_while_it_is_connected(make: Callable[..., Any]):
    robot = make()
    with pytest.raises(DeviceAlreadyConnectedError):
        robot.connect()
    robot.disconnect()
    assert not robot.is_connected
    for use in (robot.get_observation, robot.disconnect, lambda: robot.send_action(action_of(0, 0, 0, 0))):
        with pytest.raises(DeviceNotConnectedError):
            use()
    with pytest.raises(InputError, match=r"not connected, wanted connect\(\) before"):
        _ = robot.scene
    robot.connect()
    assert robot.get_observation()["z.pos"] > 0


def test_positions_send_the_hand_there_step_by_step(make: Callable[..., Any]):
    """As lerobot-rollout brings a robot home: it sends positions, and never looks."""
    robot = make()
    home = {name: robot.get_observation()[name] for name in POSITIONS}
    for _ in range(4):
        robot.get_observation()
        robot.send_action(action_of(0.03, 0.03, 0, 0.0))
    away = robot.get_observation()
    assert away["x.pos"] > home["x.pos"] + 0.05
    assert robot.send_action(home)["delta_x.pos"] == pytest.approx(-0.03)
    for _ in range(12):
        sent = robot.send_action(home)
    back = robot.get_observation()
    assert [back[name] for name in POSITIONS[:3]] == pytest.approx([home[name] for name in POSITIONS[:3]], abs=0.005)
    assert list(sent.values()) == pytest.approx([0, 0, 0, home["opening.pos"]], abs=1e-9)
    assert set(kinds(robot)) == {"value", "speed"}


def test_episodes_are_arranged_by_their_number(make: Callable[..., Any]):
    robot, other = make(seed=3), make(seed=0)
    start = robot.get_observation()["fixed"]
    robot.rearrange(5)
    other.rearrange(8)
    assert (robot.get_observation()["fixed"] == other.get_observation()["fixed"]).all()
    assert (robot.get_observation()["fixed"] != start).any()
    robot.rearrange(0)
    assert (robot.get_observation()["fixed"] == start).all()


def test_the_expert_solves_the_task_through_the_safety_layer(make: Callable[..., Any]):
    robot = make(scene="Drawer", options={"task": "close"}, size=16)
    driver = make_teleoperator_from_config(TeleoperatorConfig.get_choice_class("worldmodel")())
    with pytest.raises(DeviceNotConnectedError):
        driver.get_action()
    driver.connect()
    assert (driver.action_features, driver.feedback_features) == (robot.action_features, {})
    assert driver.is_calibrated
    for episode in (0, 1):
        robot.rearrange(episode)
        for _ in range(80):
            robot.get_observation()
            robot.send_action(driver.get_action())
            if robot.scene._judge()[1]:
                break
        assert robot.scene._judge()[1], f"episode {episode}"
    assert not [kind for kind in kinds(robot) if kind != "workspace"]
    robot.disconnect()
    with pytest.raises(DeviceNotConnectedError, match="no arm None is connected"):
        driver.get_action()


# What the safety layer does for it.


@pytest.mark.parametrize(
    ("asked", "sent", "kind"),
    [
        ((0.03, 0, 0, 0.04), (0.03, 0, 0, 0.04), None),
        ((0.04, 0, 0, 0.04), (0.03, 0, 0, 0.04), "speed"),
        ((0, -9, 0, 0.04), (0, -0.03, 0, 0.04), "value"),
        ((0, 0, 0, 0.08), (0, 0, 0, 0.08), None),
        ((0, 0, 0, 0.2), (0, 0, 0, 0.08), "value"),
        ((0, 0, 0, -0.01), (0, 0, 0, 0.0), "value"),
        ((0, 0.01, float("nan"), 0.08), (0, 0, 0, 0.04), "not finite"),
    ],
)
def test_limits_of_a_command(make: Callable[..., Any], asked: tuple, sent: tuple, kind: str | None):
    robot = make()
    robot.get_observation()
    before = target(robot)
    assert list(robot.send_action(action_of(*asked)).values()) == pytest.approx(sent, abs=1e-6)
    assert target(robot) - before == pytest.approx(sent[:3], abs=1e-6)
    assert (kinds(robot) or [None])[0] == kind


def test_the_gripper_closes_no_faster_than_allowed(make: Callable[..., Any]):
    robot = make(max_opening_speed_m_s=0.1)
    robot.get_observation()
    assert [robot.send_action(action_of(0, 0, 0, 0))["opening.pos"] for _ in range(5)] == pytest.approx(
        [0.03, 0.02, 0.01, 0, 0], abs=1e-4
    )


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_hand_is_never_sent_out_of_its_workspace(make: Callable[..., Any], axis: int, sign: int):
    limits = {"workspace_low": [-0.1, -0.1, 0.1], "workspace_high": [0.1, 0.06, 0.2]}
    robot = make(size=16, **limits)
    push = [0.0, 0.0, 0.0]
    push[axis] = sign * 0.03
    for _ in range(12):
        robot.get_observation()
        robot.send_action(action_of(*push, 0.04))
    wall = limits["workspace_high" if sign > 0 else "workspace_low"][axis]
    assert target(robot)[axis] == pytest.approx(wall, abs=1e-9)
    assert kinds(robot)[-1] == "workspace"


def test_no_random_action_leaves_the_limits(make: Callable[..., Any]):
    robot, rng = make(size=16), np.random.default_rng(0)
    for _ in range(60):
        robot.get_observation()
        before = target(robot)
        sent = robot.send_action(action_of(*rng.normal(0, 10.0 ** rng.uniform(-3, 1), 4)))
        assert (np.abs(target(robot) - before) <= 0.03 + 1e-9).all()
        assert (target(robot) >= LOW - 1e-9).all()
        assert (target(robot) <= HIGH + 1e-9).all()
        assert 0 <= sent["opening.pos"] <= 0.08


def test_who_does_not_look_is_held_after_half_a_second(make: Callable[..., Any]):
    robot = make()
    moves = []
    robot.get_observation()
    for _ in range(8):
        moves.append(robot.send_action(action_of(0.01, 0, 0, 0.04))["delta_x.pos"])
    assert moves == [0.01] * 6 + [0.0] * 2
    assert kinds(robot) == ["stale"] * 2
    robot.get_observation()
    assert robot.send_action(action_of(0.01, 0, 0, 0.04))["delta_x.pos"] == 0.01


def test_a_lost_arm_is_not_commanded_again_before_a_reset(make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch):
    robot = make()
    robot.get_observation()

    def unplugged(_: np.ndarray) -> None:
        raise ConnectionError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(robot.scene, "step", unplugged)
        with pytest.raises(ConnectionError, match="no answer"):
            robot.send_action(action_of(0.01, 0, 0, 0.04))
    before = target(robot)
    robot.get_observation()
    with pytest.raises(Stopped, match="lost stop: ConnectionError: no answer"):
        robot.send_action(action_of(0.01, 0, 0, 0.04))
    assert (target(robot) == before).all()
    robot.disconnect()
    robot.connect()
    robot.get_observation()
    with pytest.raises(Stopped):
        robot.send_action(action_of(0.01, 0, 0, 0.04))
    robot.safety.reset()
    robot.get_observation()
    assert robot.send_action(action_of(0.01, 0, 0, 0.04))["delta_x.pos"] == 0.01


def test_emergency_stops_from_code_and_by_a_file(make: Callable[..., Any], tmp_path: Path):
    robot = make(stop_file=tmp_path / "STOP")
    robot.get_observation()
    for stop in (lambda: robot.safety.emergency_stop("button"), (tmp_path / "STOP").touch):
        stop()
        before, time_s = target(robot), robot.scene.data.time
        with pytest.raises(Stopped, match="emergency stop"):
            robot.send_action(action_of(0.01, 0, 0, 0.04))
        with pytest.raises(Stopped):
            robot.rearrange(1)
        assert (target(robot) == before).all()
        assert robot.scene.data.time == time_s
        (tmp_path / "STOP").unlink(missing_ok=True)
        robot.safety.reset()
    robot.get_observation()
    assert robot.send_action(action_of(0.01, 0, 0, 0.04))["delta_x.pos"] == 0.01


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scene": "PushT"}, "robot.scene 'PushT', wanted one of: TablePush, PickPlace, Drawer"),
        ({"cameras": []}, "robot.cameras: none"),
        ({"cameras": ["top"]}, "wanted some of: fixed, wrist"),
        ({"level": 9}, "level"),
        ({"options": {"task": "open"}}, "TablePush refuses them"),
        ({"workspace_low": [0.0]}, r"\(1, 3\) numbers, wanted 3 each"),
        ({"workspace_low": [0.0, 0.0, 0.3]}, "wanted low < high"),
        ({"max_speed_m_s": 0.0}, "speed 0.0, wanted a positive number"),
        ({"max_opening_speed_m_s": -1.0}, "'opening': speed -1.0"),
        ({"max_observation_age_s": 0.0}, "max_observation_age_s 0.0"),
    ],
)
def test_mistakes_are_named(make: Callable[..., Any], options: dict[str, Any], message: str):
    with pytest.raises((InputError, ValueError), match=message):
        make(**options)


def test_mistakes_of_commands_are_named(make: Callable[..., Any]):
    robot = make()
    with pytest.raises(InputError, match=r"action of \['x.pos'\], wanted delta_x.pos"):
        robot.send_action({"x.pos": 0.1})
    driver = make_teleoperator_from_config(TeleoperatorConfig.get_choice_class("worldmodel")(policy="nobody"))
    driver.connect()
    with pytest.raises(InputError, match="policy 'nobody' is unknown"):
        driver.get_action()
    driver.disconnect()
