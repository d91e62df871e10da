"""The tokenizer: a per-frame convolutional autoencoder, a "learned JPEG" of 8x (or 4x) and 16 channels.

It knows pictures only: no time, no actions. Latents stay one to one with frames, so actions stay aligned.
Source: shape after TAESD (https://github.com/madebyollin/taesd), reduced for 64-160 px.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from worldmodel.models.frame_tokenizer import FrameTokenizer
from worldmodel.types import InputError


@dataclass(frozen=True)
class TokenizerConfig:
    """Shape of the autoencoder.

    Attributes:
        channels: latent channels.
        downsample: pixels per latent cell along each side, 4 or 8.
        width: channels of the convolutions at the two coarser levels.
        stem_width: channels at half resolution, where most of the arithmetic is.
        blocks: residual blocks at the coarsest level (encoder and decoder each).
        frames_per_latent: frames that a latent spans after the first one, which stands alone; ours take 1.
        architecture: of a tokenizer from elsewhere, see `worldmodel.models.tokenizers`; of it ``channels``,
            ``downsample`` and ``frames_per_latent`` tell as well, the rest is without meaning. Empty for ours.
    """

    channels: int = 16
    downsample: int = 8
    width: int = 64
    stem_width: int = 32
    blocks: int = 2
    frames_per_latent: int = 1
    architecture: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.architecture:
            return
        if self.downsample not in (4, 8):
            raise InputError(f"tokenizer.downsample: found {self.downsample}, wanted 4 or 8")
        if self.frames_per_latent != 1:
            raise InputError(f"tokenizer.frames_per_latent: found {self.frames_per_latent}, ours takes 1")


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a skip; no normalisation, so brightness passes unchanged."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return F.relu(x + self.second(F.relu(self.first(x))))


class Tokenizer(FrameTokenizer):
    """Our own autoencoder of single pictures."""

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__(config.channels, config.downsample, {})
        self.config = config
        stem, width, deep = config.stem_width, config.width, config.downsample == 8
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(12, stem, 3, padding=1),
            nn.ReLU(),
            ResidualBlock(stem),
            nn.Conv2d(stem, width, 3, stride=2, padding=1),
            nn.ReLU(),
            ResidualBlock(width),
            *([nn.Conv2d(width, width, 3, stride=2, padding=1), nn.ReLU()] if deep else []),
            *[ResidualBlock(width) for _ in range(config.blocks)],
            nn.Conv2d(width, config.channels, 3, padding=1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(config.channels, width, 3, padding=1),
            nn.ReLU(),
            *[ResidualBlock(width) for _ in range(config.blocks)],
            *([nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, padding=1)] if deep else []),
            ResidualBlock(width),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(width, stem, 3, padding=1),
            ResidualBlock(stem),
            nn.Conv2d(stem, 12, 3, padding=1),
            nn.PixelShuffle(2),
        )
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (convolutions run several times faster on CPU)

    def bottleneck(self, pixels: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c hl wl"]:
        """Encodes pixels in [0, 1] to latents bounded by +-3, before normalisation."""
        return 3.0 * torch.tanh(self.encoder(pixels - 0.5) / 3.0)

    def reconstruct(self, latents: Float[Tensor, "n c hl wl"]) -> Float[Tensor, "n 3 h w"]:
        """Decodes bounded latents to pixels around [0, 1] (not clipped, so that gradients pass)."""
        return self.decoder(latents) + 0.5


def reconstruction_loss(
    decoded: Float[Tensor, "n 3 h w"],
    pixels: Float[Tensor, "n 3 h w"],
    previous: Float[Tensor, "n 3 h w"],
    changed_weight: float = 20.0,
    absolute: float = 0.3,
) -> Shaped[Tensor, ""]:
    """2 MSE + ``absolute`` L1 with pixels that changed since the previous frame weighted up, weights of mean one.

    Small moving things (a pusher of 3 pixels) are what actions move; plain losses drop them first.
    """
    changed = ((pixels - previous).abs().amax(1, keepdim=True) > 0.06).float()
    weight = 1.0 + (changed_weight - 1.0) * changed
    weight = weight / weight.mean()
    error = decoded - pixels
    return (weight * (absolute * error.abs() + 2.0 * error.square())).mean()
