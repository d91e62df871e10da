"""What a pass of the backbone says of noisy frames: the clean frames before them in, clean estimates out."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from worldmodel.models.backbone import Backbone, Inputs, Outputs
from worldmodel.models.flow import around


def stack_history(latents: Float[Tensor, "b t h w c"], count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` frames before each one, newest first over channels (zeros where there is none), and their mask."""
    b, t = latents.shape[:2]
    past = [F.pad(latents[:, : max(t - age, 0)], (0, 0) * 3 + (min(age, t), 0)) for age in range(1, count + 1)]
    mask = torch.arange(t, device=latents.device)[:, None] >= torch.arange(1, count + 1, device=latents.device)
    history = torch.cat(past, -1) if past else latents[..., :0]
    return history, mask.float().expand(b, -1, -1)


def predict(backbone: Backbone, inputs: Inputs, skip_variance: float) -> Outputs:
    """Runs the backbone; its latents are corrections of the best guess around the frame before (`flow.around`)."""
    outputs = backbone(inputs)
    if skip_variance > 0 and backbone.config.history:
        prior = inputs.history[..., : inputs.latents.shape[-1]]
        outputs.latents = outputs.latents + around(inputs.latents, prior, inputs.clock, skip_variance)
    return outputs
