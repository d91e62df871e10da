"""Which tokens of a frame differ from the frame before, and which of them are worth the work."""

import torch
from jaxtyping import Float, Int64
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


def choose_tokens(latents: Float[Tensor, "b t h w c"], share: float, patch: int, least: float) -> Int64[Tensor, "b m"]:
    """Tokens to learn from, the same in all frames of a window: those that change in it, then others by chance.

    Args:
        latents: a window.
        share: of the tokens that are chosen.
        patch: latent cells per token along each side.
        least: mean squared change from one frame to the next that counts.

    Returns:
        Their numbers, in ascending order.
    """
    changes = token_changes(latents[:, 1:], latents[:, :-1], patch)[:, :, ::patch, ::patch].amax(1).flatten(1)
    score = (changes > least) + torch.rand(changes.shape, device=changes.device)
    return score.topk(max(1, round(share * changes.shape[1])), 1).indices.sort(1).values
