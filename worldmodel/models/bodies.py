"""Which weights belong to bodies, and which to all of them."""

from torch import nn

from worldmodel.models.backbone import Backbone
from worldmodel.models.layers import EmbodimentLinear


def tables_of_bodies(network: nn.Module) -> set[str]:
    """Names of the parameters that have a row for every body."""
    layers = [name for name, module in network.named_modules() if isinstance(module, EmbodimentLinear)]
    return {f"{layer}.{part}" for layer in layers for part in ("weight", "bias")}


def own_parameters(backbone: Backbone) -> set[str]:
    """Names of the parameters from which each body learns without another one noticing.

    These are the tables of bodies; and what shows the points of actions, where a single body has such.
    """
    own = tables_of_bodies(backbone)
    if backbone.point_mask.any(1).sum() == 1:
        own |= {f"point_in.{name}" for name, _ in backbone.point_in.named_parameters()}
    return own
