"""A model small enough for tests, with random weights everywhere (also where training starts from zeros)."""

import torch

from worldmodel.models.backbone import Backbone
from worldmodel.models.backbone_config import BackboneConfig
from worldmodel.models.tokenizer import TokenizerConfig
from worldmodel.models.world_model import WorldModel, WorldModelConfig
from worldmodel.types import ActionDim, ActionSpec, Batch, EmbodimentSpec

ARM = EmbodimentSpec(
    "arm",
    ActionSpec(
        (ActionDim("x", low=0.0, high=64.0, unit="px"), ActionDim("y", low=0.0, high=32.0, unit="px")), ((0, 1),)
    ),
    [0.0, 0.0],
    [64.0, 32.0],
)
GRIPPER = EmbodimentSpec("gripper", ActionSpec((ActionDim("a"), ActionDim("b"), ActionDim("shut", "binary"))))
BODIES = [ARM, GRIPPER]
CONFIG = BackboneConfig(width=32, layers=4, heads=2, time_every=2, window=4, act_window=3, chunk=6, chunk_tokens=2)


def backbone(config: BackboneConfig = CONFIG, grid: tuple[int, int] = (2, 4)) -> Backbone:
    torch.manual_seed(0)
    network = Backbone(config, [ARM, GRIPPER], channels=4, grid=grid)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def model(height: int = 32, width: int = 64) -> WorldModel:
    torch.manual_seed(0)
    tokenizer = TokenizerConfig(channels=4, width=8, stem_width=8, blocks=1)
    result = WorldModel(WorldModelConfig(height, width, tokenizer, CONFIG, sampling_steps=2), [ARM, GRIPPER])
    with torch.no_grad():
        for parameter in result.backbone.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return result.eval()


def batch(size: int = 3, frames: int = 6, chunk: int = 6) -> Batch:
    generator = torch.Generator().manual_seed(1)
    reach = frames + chunk - 1
    return Batch(
        actions=torch.rand(size, reach, 3, generator=generator) * 2 - 1,
        action_mask=torch.ones(size, reach, dtype=torch.bool),
        embodiment=torch.arange(size) % 2,
        latents=torch.randn(size, frames, 4, 8, 4, generator=generator),
        state=torch.rand(size, frames, 2, generator=generator),
        reward=torch.rand(size, frames, generator=generator),
        success=torch.zeros(size, frames),
    )
