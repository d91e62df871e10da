"""Autoencoders of ``diffusers`` as tokenizers: AutoencoderTiny (TAESD, TAEF1, ...) and AutoencoderKLWan (Wan 2.x).

Source: https://github.com/huggingface/diffusers. Its pixels are in [-1, 1], ours in [0, 1]. This file is imported
only where one of them was chosen: ``diffusers`` is an optional dependency.
"""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLWan, AutoencoderTiny
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor

from worldmodel.models.frame_tokenizer import FrameTokenizer, in_parts, pictures_of, pixels_of
from worldmodel.types import InputError


class TinyTokenizer(FrameTokenizer):
    """An AutoencoderTiny; its scale and shift of latents are the statistics until ``fit_statistics``."""

    def __init__(self, autoencoder: AutoencoderTiny) -> None:
        config = autoencoder.config
        downsample = 2 ** (len(config["encoder_block_out_channels"]) - 1)
        super().__init__(config["latent_channels"], downsample, _architecture(autoencoder))
        self.autoencoder = autoencoder
        self.latent_mean.fill_(config["shift_factor"])
        self.latent_std.fill_(1.0 / config["scaling_factor"])
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (faster convolutions on CPU)

    def bottleneck(self, pixels: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c hl wl"]:
        return in_parts(lambda part: self.autoencoder.encode(part, return_dict=False)[0], 2.0 * pixels - 1.0)

    def reconstruct(self, latents: Float[Tensor, "n c hl wl"]) -> Float[Tensor, "n 3 h w"]:
        return (in_parts(lambda part: self.autoencoder.decode(part, return_dict=False)[0], latents) + 1.0) / 2.0


class WanTokenizer(FrameTokenizer):
    """An AutoencoderKLWan; latents are means of its posterior, its published mean and deviation the statistics.

    ``encode`` and ``decode`` take every picture for a film of one frame: one latent per frame, one action per latent.
    ``encode_clips`` and ``decode_clips`` compress time as the network was trained to: the first frame alone, then
    ``frames_per_latent`` (4) frames per latent. `worldmodel.data.action_groups` aligns actions with such latents.
    """

    def __init__(self, autoencoder: AutoencoderKLWan) -> None:
        config = autoencoder.config
        super().__init__(config["z_dim"], config["scale_factor_spatial"], _architecture(autoencoder))
        self.frames_per_latent = config["scale_factor_temporal"]
        self.autoencoder = autoencoder
        self.latent_mean.copy_(torch.tensor(config["latents_mean"]))
        self.latent_std.copy_(torch.tensor(config["latents_std"]))

    def bottleneck(self, pixels: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c hl wl"]:
        return in_parts(self._encode, pixels[:, :, None])[:, :, 0]

    def reconstruct(self, latents: Float[Tensor, "n c hl wl"]) -> Float[Tensor, "n 3 h w"]:
        return in_parts(self._decode, latents[:, :, None])[:, :, 0]

    def encode_clips(self, frames: UInt8[Tensor, "b t h w 3"]) -> Float[Tensor, "b tl hl wl c"]:
        """Encodes clips of 1 + k ``frames_per_latent`` frames to 1 + k normalised latents.

        Raises:
            InputError: another number of frames (the network would drop the last ones), or sides not divisible by 16.
        """
        count, step = frames.shape[1], self.frames_per_latent
        if count % step != 1:
            raise InputError(f"clip of {count} frames: wanted 1 + a multiple of {step}, the first frame stands alone")
        pixels = rearrange(
            pixels_of(frames.flatten(0, 1).to(self.latent_mean.device)), "(b t) c h w -> b c t h w", t=count
        )
        latents = rearrange(self._encode(pixels), "b c t h w -> b t h w c")
        return (latents - self.latent_mean) / self.latent_std

    def decode_clips(self, latents: Float[Tensor, "b tl hl wl c"]) -> UInt8[Tensor, "b t h w 3"]:
        """Decodes 1 + k normalised latents to 1 + k ``frames_per_latent`` pictures."""
        values = rearrange(
            latents.to(self.latent_mean.device) * self.latent_std + self.latent_mean, "b t h w c -> b c t h w"
        )
        pixels = self._decode(values)
        pictures = pictures_of(rearrange(pixels, "b c t h w -> (b t) c h w"))
        return pictures.unflatten(0, (len(latents), -1))

    def _encode(self, pixels: Float[Tensor, "n 3 t h w"]) -> Float[Tensor, "n c tl hl wl"]:
        return self.autoencoder.encode(2.0 * pixels - 1.0, return_dict=False)[0].mode()

    def _decode(self, latents: Float[Tensor, "n c tl hl wl"]) -> Float[Tensor, "n 3 t h w"]:
        return (self.autoencoder.decode(latents, return_dict=False)[0] + 1.0) / 2.0


def _architecture(autoencoder: AutoencoderTiny | AutoencoderKLWan) -> dict[str, Any]:
    """Its configuration, but not the folder that it came from."""
    values = json.loads(autoencoder.to_json_string())
    return {key: value for key, value in values.items() if key != "_name_or_path"}


KINDS = {"AutoencoderTiny": (AutoencoderTiny, TinyTokenizer), "AutoencoderKLWan": (AutoencoderKLWan, WanTokenizer)}


def load_diffusers(folder: Path, name: str) -> TinyTokenizer | WanTokenizer:
    """The autoencoder of class ``name`` in a folder that ``save_pretrained`` wrote, in single precision.

    Raises:
        InputError: its files are damaged, incomplete or missing.
    """
    autoencoder, tokenizer = KINDS[name]
    try:
        network, found = autoencoder.from_pretrained(
            folder, local_files_only=True, torch_dtype=torch.float32, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{folder}: cannot be read ({reason}), wanted the weights of an {name}") from error
    if found["missing_keys"]:
        first = sorted(found["missing_keys"])[0]
        raise InputError(f"{folder}: found no weights for {first}, wanted all of an {name}")
    return tokenizer(network)


def empty_diffusers(architecture: dict[str, Any]) -> TinyTokenizer | WanTokenizer:
    """The tokenizer that ``architecture`` describes, with random weights.

    Raises:
        InputError: it describes no network of that class.
    """
    name = architecture["_class_name"]
    autoencoder, tokenizer = KINDS[name]
    try:
        return tokenizer(autoencoder.from_config(architecture))
    except (ValueError, RuntimeError, KeyError, TypeError, IndexError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"tokenizer.architecture: describes no {name} ({reason})") from error
