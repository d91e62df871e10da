"""TAEF2, the tiny autoencoder of FLUX.2's latent space: 8x down, 32 channels, 1.34 M parameters each way.

Source: https://github.com/madebyollin/taesd (MIT; ``taesd.py``, variant "flux_2"), weights there and on the Hub as
madebyollin/taef2. Convolutional blocks with ReLU; at the coarsest level each block first adds what a GroupNorm over
the whole picture says. The decoder bounds its latents to +-3.
"""

import pickle
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from worldmodel.models.frame_tokenizer import FrameTokenizer, in_parts
from worldmodel.types import InputError

CHANNELS, WIDTH, DOWNSAMPLE = 32, 64, 8
HUB_FILE = "taef2.safetensors"
HALVES = {"encoder": "taef2_encoder.pth", "decoder": "taef2_decoder.pth"}


def convolution(inputs: int, outputs: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size, or divides it by its stride."""
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=bias)


class Block(nn.Module):
    """Three 3x3 convolutions with a skip; ``pooled`` adds a branch normalised over the whole picture before them."""

    def __init__(self, pooled: bool = False) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            convolution(WIDTH, WIDTH), nn.ReLU(), convolution(WIDTH, WIDTH), nn.ReLU(), convolution(WIDTH, WIDTH)
        )
        self.pool = (
            nn.Sequential(
                nn.Conv2d(WIDTH, 4 * WIDTH, 1, bias=False),
                nn.GroupNorm(4, 4 * WIDTH),
                nn.ReLU(),
                nn.Conv2d(4 * WIDTH, WIDTH, 1, bias=False),
            )
            if pooled
            else None
        )

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        if self.pool is not None:
            x = x + self.pool(x)
        return F.relu(self.conv(x) + x)


class Taef2(FrameTokenizer):
    """TAEF2 without its weights, which `load_taef2` brings.

    FLUX.2 says nothing of the scale of these latents on other pictures: the statistics are neutral until
    ``fit_statistics``.
    """

    def __init__(self) -> None:
        super().__init__(CHANNELS, DOWNSAMPLE, {"_class_name": "taef2"})
        down, up = [], []
        for level in range(3):
            down += [convolution(WIDTH, WIDTH, 2, bias=False), *(Block(pooled=level == 2) for _ in range(3))]
            up += [*(Block(pooled=level == 0) for _ in range(3)), nn.Upsample(scale_factor=2)]
            up += [convolution(WIDTH, WIDTH, bias=False)]
        self.encoder = nn.Sequential(convolution(3, WIDTH), Block(), *down, convolution(WIDTH, CHANNELS))
        self.decoder = nn.Sequential(convolution(CHANNELS, WIDTH), nn.ReLU(), *up, Block(), convolution(WIDTH, 3))
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (faster convolutions on CPU)

    def bottleneck(self, pixels: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c hl wl"]:
        return in_parts(self.encoder, pixels)

    def reconstruct(self, latents: Float[Tensor, "n c hl wl"]) -> Float[Tensor, "n 3 h w"]:
        return in_parts(self.decoder, 3.0 * torch.tanh(latents / 3.0))


def holds_taef2(folder: Path) -> bool:
    """Whether TAEF2's weights lie in a folder, as the Hub or as GitHub has them."""
    return (folder / HUB_FILE).is_file() or all((folder / name).is_file() for name in HALVES.values())


def load_taef2(folder: Path) -> Taef2:
    """TAEF2 in single precision from ``taef2.safetensors`` (Hub) or from ``taef2_{encoder,decoder}.pth`` (GitHub).

    Raises:
        InputError: the weights are not there, damaged, or of another network.
    """
    model = Taef2()
    try:
        for part, weights in _read(folder).items():
            model.get_submodule(part).load_state_dict(weights)
    except (OSError, EOFError, KeyError, ValueError, RuntimeError, SafetensorError, pickle.UnpicklingError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{folder}: cannot be read ({reason}), wanted TAEF2's weights") from error
    return model


def _read(folder: Path) -> dict[str, dict[str, Tensor]]:
    """Weights of encoder and decoder under the names of their layers here."""
    if (folder / HUB_FILE).is_file():
        parts: dict[str, dict[str, Tensor]] = {"encoder": {}, "decoder": {}}
        for key, value in load_file(folder / HUB_FILE).items():
            part, _, layer = key.split(".", 2)  # encoder.layers.0.weight
            parts[part][layer] = value
        return parts
    # weights_only runs no code of the file.
    parts = {part: torch.load(folder / name, weights_only=True) for part, name in HALVES.items()}
    # GitHub's decoder counts the bound of the latents as its layer 0.
    shifted = {}
    for key, value in parts["decoder"].items():
        layer, rest = key.split(".", 1)
        shifted[f"{int(layer) - 1}.{rest}"] = value
    return parts | {"decoder": shifted}
