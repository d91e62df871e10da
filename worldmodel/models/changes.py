"""Which tokens of a frame differ from the frame before."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def token_changes(
    latents: Float[Tensor, "*b h w c"], before: Float[Tensor, "*b h w c"], patch: int
) -> Float[Tensor, "*b h w"]:
    """Mean squared change of the token (``patch`` x ``patch`` cells) that each cell belongs to."""
    change = (latents - before).square().mean(-1)
    h, w = change.shape[-2:]
    tokens = F.avg_pool2d(change.reshape(-1, 1, h, w), patch)
    return F.interpolate(tokens, scale_factor=patch).reshape(change.shape)
