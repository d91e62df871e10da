"""The tokenizer: a per-frame convolutional autoencoder, a "learned JPEG" of 8x (or 4x) and 16 channels.

It knows pictures only: no time, no actions. Latents stay one to one with frames, so actions stay aligned.
Source: shape after TAESD (https://github.com/madebyollin/taesd), reduced for 64-160 px.
"""

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

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
    """

    channels: int = 16
    downsample: int = 8
    width: int = 64
    stem_width: int = 32
    blocks: int = 2

    def __post_init__(self) -> None:
        if self.downsample not in (4, 8):
            raise InputError(f"tokenizer.downsample: found {self.downsample}, wanted 4 or 8")


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a skip; no normalisation, so brightness passes unchanged."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return F.relu(x + self.second(F.relu(self.first(x))))


class Tokenizer(nn.Module):
    """Encodes frames to latents of zero mean and unit variance per channel, and back.

    The mean and standard deviation of the training latents are buffers, set once by ``fit_statistics``.
    """

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
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
        self.latent_mean: Tensor
        self.latent_std: Tensor
        self.register_buffer("latent_mean", torch.zeros(config.channels))
        self.register_buffer("latent_std", torch.ones(config.channels))
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (convolutions run several times faster on CPU)

    def bottleneck(self, pixels: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c hl wl"]:
        """Encodes pixels in [0, 1] to latents bounded by +-3, before normalisation."""
        return 3.0 * torch.tanh(self.encoder(pixels - 0.5) / 3.0)

    def reconstruct(self, latents: Float[Tensor, "n c hl wl"]) -> Float[Tensor, "n 3 h w"]:
        """Decodes bounded latents to pixels around [0, 1] (not clipped, so that gradients pass)."""
        return self.decoder(latents) + 0.5

    def fit_statistics(self, latents: Float[Tensor, "n c hl wl"]) -> None:
        """Stores mean and standard deviation per channel of bounded latents."""
        self.latent_mean.copy_(latents.mean((0, 2, 3)))
        self.latent_std.copy_(latents.std((0, 2, 3)).clamp_min(1e-3))

    def encode(self, frames: UInt8[Tensor, "*batch h w 3"]) -> Float[Tensor, "*batch hl wl c"]:
        """Encodes pictures to normalised latents.

        Raises:
            InputError: height or width is not divisible by 16.
        """
        check_size(*frames.shape[-3:-1])
        flat = frames.reshape(-1, *frames.shape[-3:])
        pixels = rearrange(flat, "n h w c -> n c h w").float() / 255.0
        latents = rearrange(self.bottleneck(pixels), "n c h w -> n h w c")
        latents = (latents - self.latent_mean) / self.latent_std
        return latents.reshape(*frames.shape[:-3], *latents.shape[-3:])

    def decode(self, latents: Float[Tensor, "*batch hl wl c"]) -> UInt8[Tensor, "*batch h w 3"]:
        """Decodes normalised latents to pictures."""
        flat = latents.reshape(-1, *latents.shape[-3:]) * self.latent_std + self.latent_mean
        pixels = self.reconstruct(rearrange(flat, "n h w c -> n c h w"))
        frames = rearrange((pixels.clamp(0, 1) * 255.0).round().to(torch.uint8), "n c h w -> n h w c")
        return frames.reshape(*latents.shape[:-3], *frames.shape[-3:])


def check_size(height: int, width: int) -> None:
    """Raises InputError unless both sides are divisible by 16 (8x tokenizer, patches of 2)."""
    if height % 16 or width % 16:
        raise InputError(f"frame size {height}x{width}: wanted height and width divisible by 16")


def reconstruction_loss(
    decoded: Float[Tensor, "n 3 h w"],
    pixels: Float[Tensor, "n 3 h w"],
    previous: Float[Tensor, "n 3 h w"],
    changed_weight: float = 20.0,
) -> Shaped[Tensor, ""]:
    """0.3 L1 + 2 MSE with pixels that changed since the previous frame weighted up, weights normalised to mean one.

    Small moving things (a pusher of 3 pixels) are what actions move; plain losses drop them first.
    """
    changed = ((pixels - previous).abs().amax(1, keepdim=True) > 0.06).float()
    weight = 1.0 + (changed_weight - 1.0) * changed
    weight = weight / weight.mean()
    error = decoded - pixels
    return (weight * (0.3 * error.abs() + 2.0 * error.square())).mean()
