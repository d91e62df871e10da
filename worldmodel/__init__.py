"""worldmodel: one small network that dreams what a camera or a screen will show next, and says which actions to take.

import worldmodel
model = worldmodel.load("pusht")
frames = model.imagine(context_frames, actions)
"""

from worldmodel.checkpoint import load
from worldmodel.models.world_model import WorldModel
from worldmodel.types import ActionDim, ActionSpec, Batch, EmbodimentSpec, Episode, InputError, Policy

__version__ = "0.1.0"
__all__ = [
    "ActionDim",
    "ActionSpec",
    "Batch",
    "EmbodimentSpec",
    "Episode",
    "InputError",
    "Policy",
    "WorldModel",
    "load",
]
