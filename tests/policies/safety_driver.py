"""A body with every kind of dimension, its limits, and who commands it in the tests of the safety layer."""

from dataclasses import replace
from typing import Any

import numpy as np

from policies.safety import SafetyLayer
from policies.safety_limits import SafetyLimits
from worldmodel.types import ActionDim, ActionSpec

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
