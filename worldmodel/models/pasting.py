"""Latents pasted together from two pictures: what stood still has to look the same, whatever moves beside it.

A cell of latents tells of its surroundings, too, and those of a letter change when a pointer comes near. Dreams take
what stands still from frames before (`worldmodel.models.sampling`), so that such cells meet new ones that never saw
them; a tokenizer that is trained with this term draws both as if they came from one picture.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

MOST_BESIDE = 2  # cells around what changed that are new, too, at most
SAME = 1.5 / 255.0  # pixels that differ less stood still


def paste(
    latents: Float[Tensor, "n c hl wl"],
    before: Float[Tensor, "n c hl wl"],
    pixels: Float[Tensor, "n 3 h w"],
    previous: Float[Tensor, "n 3 h w"],
) -> Float[Tensor, "n c hl wl"]:
    """Takes the cells whose pixels stood still from the picture before.

    Args:
        latents: of the pictures.
        before: of the pictures before them.
        pixels: the pictures, in [0, 1].
        previous: those before them.

    Returns:
        Latents of the pictures where they changed, and in up to `MOST_BESIDE` cells around (by chance, alike for a
        whole picture); of the ones before everywhere else.
    """
    cell = pixels.shape[-1] // latents.shape[-1]
    changed = F.max_pool2d((pixels - previous).abs().amax(1, keepdim=True), cell) > SAME
    beside = torch.randint(MOST_BESIDE + 1, (len(latents), 1, 1, 1), device=latents.device)
    new = changed.float()
    for ring in range(1, MOST_BESIDE + 1):
        new = torch.where(beside >= ring, F.max_pool2d(new, 3, stride=1, padding=1), new)
    return torch.where(new > 0, latents, before)
