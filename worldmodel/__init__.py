"""worldmodel: one small network that dreams what a camera or a screen will show next, and says which actions to take.

    import worldmodel
    model = worldmodel.load("pusht")
    frames = model.imagine(context_frames, actions)

Names are imported when they are first used, so that the command line answers at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {"load": "worldmodel.checkpoint", "WorldModel": "worldmodel.models.world_model"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'worldmodel' has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "worldmodel.types")), name)
