"""A tiny model whose tokenizer, an AutoencoderKLWan with random weights, takes four frames per latent."""

import torch
from diffusers import AutoencoderKLWan

from tests.models import tiny
from worldmodel.models.diffusers_tokenizer import WanTokenizer
from worldmodel.models.tokenizers import describe
from worldmodel.models.world_model import WorldModel, WorldModelConfig


def wan_network() -> AutoencoderKLWan:
    return AutoencoderKLWan(
        base_dim=4, z_dim=4, num_res_blocks=1, latents_mean=[0.1, 0.2, 0.3, 0.4], latents_std=[0.5] * 4
    )


def model() -> WorldModel:
    torch.manual_seed(0)
    shape = describe(WanTokenizer(wan_network()))
    result = WorldModel(WorldModelConfig(32, 64, shape, tiny.CONFIG, sampling_steps=1, action_steps=1), tiny.BODIES)
    with torch.no_grad():
        for parameter in result.backbone.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return result.eval().requires_grad_(False)
