"""Checkpoints: a folder with config.json, model.safetensors and README.md (model card). Never pickle."""

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from worldmodel.models.backbone_config import BackboneConfig
from worldmodel.models.objective import ObjectiveConfig
from worldmodel.models.tokenizer import TokenizerConfig
from worldmodel.models.world_model import WorldModel, WorldModelConfig
from worldmodel.types import EmbodimentSpec, InputError

FORMAT_VERSION = 1
SHIPPED = Path(__file__).parent / "checkpoints"


def shipped() -> list[str]:
    """Names of the checkpoints that come with the package."""
    return sorted(path.parent.name for path in SHIPPED.glob("*/config.json"))


def find(name: str) -> Path:
    """Folder of a checkpoint given the name of a shipped one, a folder, or a Hub id.

    Raises:
        InputError: there is no such checkpoint.
    """
    if name in shipped():
        return SHIPPED / name
    path = Path(name)
    if (path / "config.json").is_file():
        return path
    if path.exists():
        raise InputError(f"{name}: found no config.json in it, wanted a checkpoint folder")
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        try:
            return Path(snapshot_download(name))
        except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
            raise InputError(
                f"{name}: no such folder, and the Hub gave no such checkpoint ({type(error).__name__})"
            ) from error
    raise InputError(
        f"checkpoint {name!r}: not found; shipped are: {', '.join(shipped()) or 'none'}; or give a folder or Hub id"
    )


def load(name: str | os.PathLike[str], device: str = "cpu", engine: str = "eager") -> WorldModel:
    """Loads a model for use.

    Args:
        name: shipped name, folder, or Hub id.
        device: where to put it.
        engine: how its layers are carried out: ``"eager"``, ``"compiled"`` or ``"int8"`` (`worldmodel.models.engine`).

    Raises:
        InputError: no such checkpoint, a damaged one, or one of another version; no such engine.
    """
    folder = find(os.fspath(name))
    config, embodiments = read_config(folder)
    model = WorldModel(config, embodiments)
    weights = folder / "model.safetensors"
    try:
        state = load_file(weights)
        model.load_state_dict({key: value.float() for key, value in state.items()})
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{weights}: cannot be read ({reason}), wanted the weights that config.json describes"
        ) from error
    model.eval().requires_grad_(False).to(device).use_engine(engine)
    return model


def read_config(folder: Path) -> tuple[WorldModelConfig, list[EmbodimentSpec]]:
    """Reads config.json.

    Raises:
        InputError: it is damaged or of another version.
    """
    values, file = read_json(folder), folder / "config.json"
    try:
        return model_config_from(values["model"]), [EmbodimentSpec.from_dict(body) for body in values["embodiments"]]
    except (KeyError, TypeError) as error:
        raise InputError(f"{file}: does not describe a model of this version ({error})") from error


def read_json(folder: Path) -> dict[str, Any]:
    """Reads config.json as it is written.

    Raises:
        InputError: it is no JSON, or of another version.
    """
    file = folder / "config.json"
    try:
        values = json.loads(file.read_text())
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: not JSON, wanted a checkpoint's config.json") from error
    version = values.get("format_version") if isinstance(values, dict) else None
    if version != FORMAT_VERSION:
        raise InputError(f"{file}: found format_version {version}, wanted {FORMAT_VERSION}")
    return values


def model_config_from(values: dict[str, Any]) -> WorldModelConfig:
    """Builds a model configuration from plain dictionaries, as ``dataclasses.asdict`` writes them."""
    parts = {"tokenizer": TokenizerConfig, "backbone": BackboneConfig, "objective": ObjectiveConfig}
    return WorldModelConfig(**{key: parts[key](**value) if key in parts else value for key, value in values.items()})


def save(
    model: WorldModel, folder: str | os.PathLike[str], *, card: str, training: dict[str, Any], half: bool = False
) -> Path:
    """Writes a checkpoint, replacing an older one at once: a reader sees the old or the new one, never a half.

    Args:
        model: what to save.
        folder: where to.
        card: the model card (README.md).
        training: facts about how it was trained, kept in config.json.
        half: store weights in half precision, as finished models are; they are used in single precision all the same.

    Returns:
        The folder.
    """
    folder = Path(folder)
    fresh = folder.with_name(folder.name + ".partial")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    values = {
        "type": "worldmodel",  # for LeRobot
        "format_version": FORMAT_VERSION,
        "model": dataclasses.asdict(model.config),
        "embodiments": [body.to_dict() for body in model.embodiments],
        "training": training,
    }
    (fresh / "config.json").write_text(json.dumps(values, indent=2) + "\n")
    dtype = torch.float16 if half else torch.float32
    weights = {key: value.detach().cpu().to(dtype).contiguous() for key, value in model.state_dict().items()}
    save_file(weights, fresh / "model.safetensors")
    (fresh / "README.md").write_text(card)
    write_processors(fresh)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    return folder


def write_processors(folder: Path) -> None:
    """Writes what LeRobot wants beside a policy: how observations and actions come to it, which is as they are."""
    device = {"registry_name": "device_processor", "config": {"device": "cpu", "float_dtype": None}}
    steps = [
        {"registry_name": "rename_observations_processor", "config": {"rename_map": {}}},
        {"registry_name": "to_batch_processor", "config": {}},
        device,
    ]
    for name, part in (("policy_preprocessor", steps), ("policy_postprocessor", [device])):
        (folder / f"{name}.json").write_text(json.dumps({"name": name, "steps": part}, indent=2) + "\n")
