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

EMBODIMENTS: dict[str, EmbodimentSpec] = {spec.name: spec for spec in (PUSHT,)}
