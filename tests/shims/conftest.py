"""Connected arms."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from lerobot.robots import RobotConfig, make_robot_from_config


@pytest.fixture
def make() -> Iterator[Callable[..., Any]]:
    """Makes connected arms, and lets them go at the end."""
    robots = []

    def connected(**options: Any) -> Any:
        config = RobotConfig.get_choice_class("worldmodel")(**{"size": 32, **options})
        robots.append(make_robot_from_config(config))
        robots[-1].connect()
        return robots[-1]

    yield connected
    for robot in robots:
        if robot.is_connected:
            robot.disconnect()
