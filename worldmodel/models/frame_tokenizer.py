"""What all tokenizers share: pictures in, normalised latents out, and back.

Latents on disk and in the backbone have zero mean and unit variance per channel, whatever network made them; the
statistics travel with the weights.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from worldmodel.types import InputError


class FrameTokenizer(nn.Module, ABC):
    """An autoencoder of single pictures around two maps that a subclass fills in, `bottleneck` and `reconstruct`.

    One that can also compress time overrides ``frames_per_latent``, ``encode_clips`` and ``decode_clips``.

    Args:
        channels: latent channels.
        downsample: pixels per latent cell along each side.
        architecture: plain values from which `worldmodel.models.tokenizers.empty_tokenizer` makes this network again,
            without its weights; empty for one that has a configuration of its own.
    """

    frames_per_latent = 1

    def __init__(self, channels: int, downsample: int, architecture: dict[str, Any]) -> None:
        super().__init__()
        self.channels, self.downsample, self.architecture = channels, downsample, architecture
        self.latent_mean: Tensor
        self.latent_std: Tensor
        self.register_buffer("latent_mean", torch.zeros(channels))
        self.register_buffer("latent_std", torch.ones(channels))

    @abstractmethod
    def bottleneck(self, pixels: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c hl wl"]:
        """Encodes pixels in [0, 1] to latents, before normalisation."""

    @abstractmethod
    def reconstruct(self, latents: Float[Tensor, "n c hl wl"]) -> Float[Tensor, "n 3 h w"]:
        """Decodes such latents to pixels around [0, 1], not clipped."""

    def fit_statistics(self, latents: Float[Tensor, "n c hl wl"]) -> None:
        """Stores mean and standard deviation per channel of latents before normalisation."""
        self.latent_mean.copy_(latents.mean((0, 2, 3)))
        self.latent_std.copy_(latents.std((0, 2, 3)).clamp_min(1e-3))

    def encode(self, frames: UInt8[Tensor, "*batch h w 3"]) -> Float[Tensor, "*batch hl wl c"]:
        """Encodes pictures to normalised latents, on the device of the weights.

        Raises:
            InputError: height or width is not divisible by 16.
        """
        flat = frames.reshape(-1, *frames.shape[-3:]).to(self.latent_mean.device)
        latents = rearrange(self.bottleneck(pixels_of(flat)), "n c h w -> n h w c")
        latents = (latents - self.latent_mean) / self.latent_std
        return latents.reshape(*frames.shape[:-3], *latents.shape[-3:])

    def decode(self, latents: Float[Tensor, "*batch hl wl c"]) -> UInt8[Tensor, "*batch h w 3"]:
        """Decodes normalised latents to pictures, on the device of the weights."""
        flat = latents.reshape(-1, *latents.shape[-3:]).to(self.latent_mean.device) * self.latent_std + self.latent_mean
        frames = pictures_of(self.reconstruct(rearrange(flat, "n h w c -> n c h w")))
        return frames.reshape(*latents.shape[:-3], *frames.shape[-3:])

    def encode_clips(self, frames: UInt8[Tensor, "b t h w 3"]) -> Float[Tensor, "b tl hl wl c"]:
        """Encodes clips, the first frame alone and then ``frames_per_latent`` (here 1) frames per latent."""
        return self.encode(frames)

    def decode_clips(self, latents: Float[Tensor, "b tl hl wl c"]) -> UInt8[Tensor, "b t h w 3"]:
        """Decodes what ``encode_clips`` made."""
        return self.decode(latents)


def fitting(frames: int, frames_per_latent: int) -> int:
    """The largest 1 + a multiple of ``frames_per_latent`` that is no more than ``frames``; of 0 frames, 0."""
    return frames - (frames - 1) % frames_per_latent if frames else 0


def covering(frames: int, frames_per_latent: int) -> int:
    """The smallest 1 + a multiple of ``frames_per_latent`` that is no less than ``frames``."""
    return frames + -(frames - 1) % frames_per_latent


def check_size(height: int, width: int) -> None:
    """Raises InputError unless both sides are divisible by 16 (8x tokenizer, patches of 2)."""
    if height % 16 or width % 16:
        raise InputError(f"frame size {height}x{width}: wanted height and width divisible by 16")


def pixels_of(frames: UInt8[Tensor, "n h w 3"]) -> Float[Tensor, "n 3 h w"]:
    """Brings pictures to [0, 1], channels first.

    Raises:
        InputError: height or width is not divisible by 16.
    """
    check_size(*frames.shape[1:3])
    return rearrange(frames, "n h w c -> n c h w").float() / 255.0


def in_parts(network: Callable[[Tensor], Tensor], values: Float[Tensor, "n ..."], size: int = 16) -> Tensor:
    """Applies a network to a few pictures at a time: those from elsewhere have many channels at full resolution."""
    return torch.cat([network(part) for part in values.split(size)])


def pictures_of(pixels: Float[Tensor, "n 3 h w"]) -> UInt8[Tensor, "n h w 3"]:
    """Clips pixels to [0, 1] and brings them back to pictures."""
    return rearrange((pixels.clamp(0, 1) * 255.0).round().to(torch.uint8), "n c h w -> n h w c")
