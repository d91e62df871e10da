"""Finds a tokenizer by name: ours inside a checkpoint, TAEF2, or an autoencoder of ``diffusers``."""

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from worldmodel.models.frame_tokenizer import FrameTokenizer
from worldmodel.models.taef2 import Taef2, holds_taef2, load_taef2
from worldmodel.models.tokenizer import Tokenizer, TokenizerConfig
from worldmodel.types import InputError

ON_THE_HUB = {"taef2": "madebyollin/taef2"}
LICENCES = {"taef2": "MIT"}
DIFFUSERS = ("AutoencoderTiny", "AutoencoderKLWan")
# A pipeline keeps its autoencoder in vae; the rest of it, many GB, is not fetched.
FILES = ("config.json", "model.safetensors", "diffusion_pytorch_model.safetensors", "taef2.safetensors", "vae/*")


def load_tokenizer(name: str | os.PathLike[str]) -> FrameTokenizer:
    """Loads a tokenizer for use: frozen, in single precision, on the CPU.

    Args:
        name: ``"taef2"``; a shipped checkpoint (``"pusht"``); or a folder or Hub id that holds a checkpoint of this
            package, TAEF2's weights, or an AutoencoderTiny or AutoencoderKLWan of ``diffusers`` (also as the part
            ``vae`` of a pipeline).

    Raises:
        InputError: there is no such tokenizer, it is damaged or of an unknown kind, or ``diffusers`` is not installed.
    """
    # checkpoint knows the model, and the model its tokenizers: importing it above would be a circle.
    from worldmodel import checkpoint

    name = os.fspath(name)
    folder = checkpoint.SHIPPED / name if name in checkpoint.shipped() else _folder(name)
    if holds_taef2(folder):
        return _frozen(load_taef2(folder))
    for place in (folder, folder / "vae"):
        values = _config(place)
        if (kind := values.get("_class_name")) in DIFFUSERS:
            _need_diffusers(name)
            from worldmodel.models.diffusers_tokenizer import load_diffusers

            return _frozen(load_diffusers(place, kind))
        if "format_version" in values:
            return checkpoint.load(place).tokenizer
    raise InputError(f"{name}: found no tokenizer, wanted a checkpoint, TAEF2's weights, or {' or '.join(DIFFUSERS)}")


def describe(tokenizer: FrameTokenizer) -> TokenizerConfig:
    """The configuration from which `make_tokenizer` makes a tokenizer again, without its weights."""
    if isinstance(tokenizer, Tokenizer):
        return tokenizer.config
    return TokenizerConfig(
        channels=tokenizer.channels,
        downsample=tokenizer.downsample,
        frames_per_latent=tokenizer.frames_per_latent,
        architecture=tokenizer.architecture,
    )


def make_tokenizer(config: TokenizerConfig) -> FrameTokenizer:
    """A tokenizer with random weights: ours, or one from elsewhere where there is an ``architecture``.

    Raises:
        InputError: an unknown architecture, or ``diffusers`` is not installed.
    """
    return empty_tokenizer(config.architecture) if config.architecture else Tokenizer(config)


def empty_tokenizer(architecture: dict[str, Any]) -> FrameTokenizer:
    """A tokenizer from elsewhere without its weights, as a checkpoint makes it before it fills them in.

    Args:
        architecture: what such a tokenizer's attribute of that name holds.

    Raises:
        InputError: an unknown architecture, or ``diffusers`` is not installed.
    """
    kind = architecture.get("_class_name")
    if kind == "taef2":
        return _frozen(Taef2())
    if kind in DIFFUSERS:
        _need_diffusers(str(kind))
        from worldmodel.models.diffusers_tokenizer import empty_diffusers

        return _frozen(empty_diffusers(architecture))
    raise InputError(f"tokenizer.architecture: found {kind!r}, wanted taef2 or {' or '.join(DIFFUSERS)}")


def _frozen(tokenizer: FrameTokenizer) -> FrameTokenizer:
    return tokenizer.eval().requires_grad_(False)


def _folder(name: str) -> Path:
    if name not in ON_THE_HUB and Path(name).is_dir():
        return Path(name)
    hub_id = ON_THE_HUB.get(name, name)
    if hub_id.count("/") == 1 and not hub_id.startswith((".", "/", "~")):
        try:
            return Path(snapshot_download(hub_id, allow_patterns=list(FILES)))
        except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
            raise InputError(
                f"{name}: no such folder, and the Hub gave no {hub_id} ({type(error).__name__}), wanted a tokenizer"
            ) from error
    raise InputError(f"{name}: no such tokenizer, wanted taef2, a shipped checkpoint, a folder or a Hub id")


def _config(folder: Path) -> dict[str, Any]:
    """What config.json says; nothing where there is none.

    Raises:
        InputError: it is not a JSON object.
    """
    file = folder / "config.json"
    if not file.is_file():
        return {}
    try:
        values = json.loads(file.read_text())
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: not JSON, wanted a tokenizer's config.json") from error
    if not isinstance(values, dict):
        raise InputError(f"{file}: found {type(values).__name__}, wanted a mapping of keys to values")
    return values


def _need_diffusers(name: str) -> None:
    if importlib.util.find_spec("diffusers") is None:
        raise InputError(f"{name}: diffusers is not installed, wanted pip install 'worldmodel[diffusers]'")
