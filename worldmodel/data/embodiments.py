"""The bodies whose actions are known by heart, by name."""

from worldmodel.data.screen import SCREEN
from worldmodel.types import ActionDim, ActionSpec, EmbodimentSpec

PUSHT = EmbodimentSpec(
    name="pusht",
    action=ActionSpec(
        dims=(
            ActionDim("target_x", low=0.0, high=512.0, unit="px"),
            ActionDim("target_y", low=0.0, high=512.0, unit="px"),
        ),
        points=((0, 1),),
    ),
    state_low=[0.0, 0.0],
    state_high=[512.0, 512.0],
    fps=10.0,
    state_points=[[0, 1]],
)
"""Push-T: the action is the place (on a 512 px canvas) that the pusher is drawn to, the state its position."""

GRIPPER = EmbodimentSpec(
    name="gripper",
    action=ActionSpec(
        dims=(
            ActionDim("delta_x", low=-0.05, high=0.05, unit="m"),
            ActionDim("delta_y", low=-0.05, high=0.05, unit="m"),
            ActionDim("delta_z", low=-0.05, high=0.05, unit="m"),
            ActionDim("opening", low=0.0, high=0.08, unit="m"),
        ),
    ),
    state_low=[-0.25, -0.25, 0.0, 0.0],
    state_high=[0.25, 0.25, 0.25, 0.09],
    fps=10.0,
)
"""The gripper of the MuJoCo scenes: the action moves the place that its finger tips are drawn to, and sets their
opening; the state is x, y, z of the point between them, and the opening."""

METAWORLD = EmbodimentSpec(
    name="metaworld",
    action=ActionSpec(
        dims=(
            ActionDim("delta_x", unit="cm"),
            ActionDim("delta_y", unit="cm"),
            ActionDim("delta_z", unit="cm"),
            ActionDim("closing"),
        ),
    ),
    state_low=[-0.525, 0.348, -0.0525, 0.0],
    state_high=[0.525, 1.025, 0.7, 1.0],
    fps=80.0,
)
"""Meta-World's Sawyer arm: the action moves the place that its hand is drawn to, and is the force that opens (-1) or
closes (1) the fingers; the state is x, y, z of the hand in m, and how far the fingers are open."""

_ALOHA_JOINTS = {  # of one arm: lowest, highest, rad
    "waist": (-3.14158, 3.14158),
    "shoulder": (-1.85005, 1.25664),
    "elbow": (-1.76278, 1.6057),
    "forearm_roll": (-3.14158, 3.14158),
    "wrist_angle": (-1.8675, 2.23402),
    "wrist_rotate": (-3.14158, 3.14158),
}
_ALOHA_DIMS = tuple(
    ActionDim(f"{arm}_{joint}", low=low, high=high, unit="" if joint == "gripper" else "rad")
    for arm in ("left", "right")
    for joint, (low, high) in (_ALOHA_JOINTS | {"gripper": (0.0, 1.0)}).items()
)
ALOHA_SIM = EmbodimentSpec(
    name="aloha_sim",
    action=ActionSpec(_ALOHA_DIMS),
    state_low=[dim.low for dim in _ALOHA_DIMS],
    state_high=[dim.high for dim in _ALOHA_DIMS],
    fps=50.0,
)
"""The two arms of gym-aloha: the action is the angle that every joint is drawn to, and how far each gripper opens (0
shut, 1 open), the state is where they are."""

DROID_MOTION = EmbodimentSpec(
    name="droid_motion",
    action=ActionSpec(
        dims=(
            ActionDim("delta_x", low=-0.1, high=0.1, unit="m"),
            ActionDim("delta_y", low=-0.1, high=0.1, unit="m"),
            ActionDim("delta_z", low=-0.1, high=0.1, unit="m"),
            ActionDim("delta_roll", low=-0.25, high=0.25, unit="rad"),
            ActionDim("delta_pitch", low=-0.25, high=0.25, unit="rad"),
            ActionDim("delta_yaw", low=-0.25, high=0.25, unit="rad"),
            ActionDim("delta_gripper", low=-0.3, high=0.3),
        ),
    ),
    state_low=[0.2, -0.5, 0.0, 0.0, -1.6, -3.2, 0.0],
    state_high=[0.8, 0.5, 0.8, 6.3, 1.6, 3.2, 1.0],
    fps=5.0,
)
"""DROID's Franka arms, with ``actions: motion``: the action is how far pose and gripper moved until the next picture,
the state is the pose and how far the gripper is closed."""

EMBODIMENTS: dict[str, EmbodimentSpec] = {
    spec.name: spec for spec in (PUSHT, GRIPPER, METAWORLD, ALOHA_SIM, DROID_MOTION, SCREEN)
}
