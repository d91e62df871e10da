"""What the tests of the simulated arm call its parts."""

import numpy as np
from lerobot.utils.import_utils import register_third_party_plugins

register_third_party_plugins()
ACTIONS = ("delta_x.pos", "delta_y.pos", "delta_z.pos", "opening.pos")
POSITIONS = ("x.pos", "y.pos", "z.pos", "opening.pos")
LOW, HIGH = np.array([-0.24, -0.22, 0.02]), np.array([0.24, 0.22, 0.22])
ROBOT = ("--robot.type=worldmodel", "--robot.size=32")
QUIET = ("--play_sounds=false",)


def action_of(*values: float) -> dict[str, float]:
    return dict(zip(ACTIONS, values, strict=True))
