"""Latents that move as pictures move: what a tokenizer decodes from moved latents has to be the moved picture.

Half of the latents are shifted by a fraction of a cell, the other half brought to half their size. An autoencoder is
free to write a thing that moved by a pixel in quite other numbers; one trained with this term is not, and its latents
are easier to predict.
Source: Kouzelis et al. 2025, "EQ-VAE: equivariance regularized latent space for improved generative image modeling",
equation 5 (scales and quarter turns; shifts are ours, because things in videos shift); Skorokhodov et al. 2025,
"Improving the diffusability of autoencoders", section 3.3 (scale).
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

MOST = 0.5  # of a latent cell


def shift_and_shrink(
    latents: Float[Tensor, "n c hl wl"], pictures: list[Float[Tensor, "n 3 h w"]]
) -> list[tuple[Tensor, list[Tensor]]]:
    """Moves latents and the pictures that belong to them in the same way.

    Args:
        latents: of n >= 2 pictures, bounded, not normalised; height and width even.
        pictures: any number of batches of pixels in the same places.

    Returns:
        Two pairs of moved latents and moved pictures: n // 2 of half the height and width, and the others shifted by up
        to half a cell along each side (one random shift for all; borders are repeated).
    """
    half = len(latents) // 2
    small = F.avg_pool2d(latents[:half], 2), [F.avg_pool2d(batch[:half], 2) for batch in pictures]
    cells = (2.0 * torch.rand(2, device=latents.device) - 1.0) * MOST
    size = torch.tensor([latents.shape[-1], latents.shape[-2]], device=latents.device)
    offset = 2.0 * cells / size  # the picture spans [-1, 1]
    shifted = _shift(latents[half:], offset), [_shift(batch[half:], offset) for batch in pictures]
    return [small, shifted]


def _shift(values: Float[Tensor, "n c h w"], offset: Float[Tensor, "2"]) -> Float[Tensor, "n c h w"]:
    matrix = torch.cat([torch.eye(2, device=values.device), offset[:, None]], 1)
    grid = F.affine_grid(matrix.expand(len(values), -1, -1), list(values.shape), align_corners=False)
    return F.grid_sample(values, grid, padding_mode="border", align_corners=False)
