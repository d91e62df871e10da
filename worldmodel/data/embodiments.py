"""The bodies whose actions are known by heart, by name."""

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

EMBODIMENTS: dict[str, EmbodimentSpec] = {spec.name: spec for spec in (PUSHT, GRIPPER, DROID_MOTION)}
