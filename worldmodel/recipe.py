"""Chains the stages of a run: recordings, tokenizer, pretraining on video, actions, report. Finished parts are kept."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from rich.console import Console

from worldmodel import checkpoint, trained_on
from worldmodel.config import CollectConfig, RecipeConfig, StageConfig, as_dict, to_yaml
from worldmodel.data.cache import Recordings, encode_recordings, key_of, load_recordings, quarantine_path
from worldmodel.data.open import open_dataset
from worldmodel.data.quality import read_quarantine
from worldmodel.data.windows import PictureSampler, Stream, WindowSampler, labelled, split
from worldmodel.model_card import model_card
from worldmodel.models.tokenizer import Tokenizer
from worldmodel.models.world_model import WorldModel
from worldmodel.output import make_folder, write_json
from worldmodel.stages import BackboneStage, Stage, TokenizerStage
from worldmodel.train import fit
from worldmodel.types import EmbodimentSpec, InputError
from worldmodel.validation import ValidateDreams, ValidateTokenizer

Collect = Callable[[CollectConfig, Path], None]
Evaluate = Callable[[WorldModel, RecipeConfig, Path], dict[str, Any]]
console = Console(stderr=True)


def run_recipe(config: RecipeConfig, collect: Collect, evaluate: Evaluate, *, only: str | None = None) -> Path:
    """Carries out a run, or the part of it that is missing.

    Args:
        config: the run.
        collect: makes recordings in a folder.
        evaluate: measures the final model and writes the report.
        only: train just this stage (those before it must be finished).

    Returns:
        The folder of the final checkpoint.

    Raises:
        InputError: unusable recordings, or a stage that is not there.
    """
    if only is not None and only not in config.stages:
        raise InputError(f"--stage: found {only!r}, wanted one of {', '.join(config.stages)}")
    output = make_folder(config.output)
    (output / "config.yaml").write_text(to_yaml(config))
    if config.threads:
        torch.set_num_threads(config.threads)
    recordings = open_recordings(config, output, collect)
    model = build_model(config, [r.spec for r in recordings])
    for name, stage in config.stages.items():
        folder = output / name
        if _finished(folder, config, name):
            model.load_state_dict(checkpoint.load(folder / "checkpoint").state_dict())
        elif only in (None, name):
            console.print(f"[bold]{name}[/]: {stage.steps} steps")
            train_stage(model, config, name, stage, recordings, output)
        else:
            raise InputError(f"{folder}: stage {name} is not finished, wanted it done before {only}")
        if name == only:
            return folder / "checkpoint"
    return _finish(model, config, output, evaluate)


def open_recordings(config: RecipeConfig, output: Path, collect: Collect) -> list[Recordings]:
    """Opens every dataset at the model's frame size, collecting those that the run makes itself."""
    result = []
    for name, dataset in config.datasets.items():
        path = dataset.path or str(output / "data" / name)
        if dataset.collect is not None:
            collect(dataset.collect, Path(path))
        source = open_dataset(path, embodiment=dataset.embodiment)
        recordings = load_recordings(name, source, output / "cache", config.model.height, config.model.width)
        if damaged := read_quarantine(quarantine_path(output / "cache", name)):
            where = quarantine_path(output / "cache", name)
            console.print(f"{name}: {len(damaged)} of {len(source)} episodes left out as damaged, see {where}")
        result.append(recordings)
    return result


def build_model(config: RecipeConfig, specs: list[EmbodimentSpec]) -> WorldModel:
    """A model with fresh weights (from the run's seed), or the one that ``init`` names."""
    bodies = list({spec.name: spec for spec in specs}.values())
    if not any(len(body.action) for body in bodies):
        raise InputError("datasets: no recording has actions, wanted at least one that tells what actions are")
    lightning.seed_everything(config.seed, verbose=False)
    model = WorldModel(config.model, bodies)
    if config.init is not None:
        first = checkpoint.load(config.init)
        if as_dict(first.config) | {"objective": None} != as_dict(config.model) | {"objective": None}:
            raise InputError(f"{config.init}: its shape differs from this run's model, wanted the same")
        model.load_state_dict(first.state_dict())
    return model.requires_grad_(True)


def train_stage(
    model: WorldModel, config: RecipeConfig, name: str, stage: StageConfig, recordings: list[Recordings], output: Path
) -> None:
    """Trains one stage in place and writes its checkpoint."""
    begin, folder = time.time(), output / name
    splits = [split(r.episodes, config.datasets[r.name].held_out) for r in recordings]
    train, held = [parts[0] for parts in splits], [parts[1] for parts in splits]
    episodes = trained_on.note(folder, config, output, {r.name: e for r, e in zip(recordings, train, strict=True)})
    if name == "tokenizer":
        module: Stage = TokenizerStage(model.tokenizer, stage, config.seed)
        stream = Stream(PictureSampler(recordings, train, stage.mixture), config.seed, stage.batch)
        fit(module, stream, ValidateTokenizer(recordings, held), config, folder, name, stage.batch)
        model.tokenizer.load_state_dict(module.average.state_dict())
        fit_statistics(model.tokenizer, recordings, train)
    else:
        known = [labelled(e, config.datasets[r.name].labelled) for r, e in zip(recordings, train, strict=True)]
        for dataset in recordings:
            encode_recordings(dataset, model.tokenizer.eval(), output / "cache")
        samplers = [
            WindowSampler(
                recordings,
                train,
                window=window,
                chunk=model.chunk_length,
                action_size=model.backbone.action_size,
                state_size=model.backbone.state_size,
                bodies={body.name: index for index, body in enumerate(model.embodiments)},
                weights=weights,
                known=known,
                imitate=[name for name, dataset in config.datasets.items() if dataset.imitate],
                frames=frames,
            )
            for window, weights, frames in (
                (stage.window, stage.mixture, False),
                (stage.act_window or stage.window, stage.act_mixture or stage.mixture, stage.act_augment.share > 0),
            )
        ]
        module = BackboneStage(model, stage, config.seed, actions_known=name != "pretrain")
        validate = ValidateDreams(model, recordings, held, actions_known=name != "pretrain")
        stream = Stream(samplers[0], config.seed, stage.batch, act_sampler=samplers[1], act_every=stage.act_every)
        fit(module, stream, validate, config, folder, name, stage.batch * stage.window)
        model.backbone.load_state_dict(module.average.state_dict())
    training = {"stage": name, "seconds": round(time.time() - begin), "episodes": episodes}
    checkpoint.save(model, folder / "checkpoint", card=model_card(config, name, {}), training=training)


@torch.no_grad()
def fit_statistics(
    tokenizer: Tokenizer, recordings: list[Recordings], episodes: list[np.ndarray], count: int = 512
) -> None:
    """Mean and deviation of latents over ``count`` training frames of every dataset."""
    parts = []
    for dataset, chosen in zip(recordings, episodes, strict=True):
        every = np.concatenate([np.arange(dataset.starts[e], dataset.starts[e + 1]) for e in chosen])
        index = np.unique(every[np.linspace(0, len(every) - 1, min(count, len(every))).astype(int)])
        for part in np.array_split(index, -(-len(index) // 128)):
            pixels = torch.from_numpy(dataset.frames[part]).permute(0, 3, 1, 2).float() / 255.0
            parts.append(tokenizer.bottleneck(pixels))
    tokenizer.fit_statistics(torch.cat(parts))


def _key(config: RecipeConfig, name: str) -> str:
    """Changes whenever this stage, or one before it, would end in other weights."""
    names = list(config.stages)
    before = [config.stages[key] for key in names[: names.index(name) + 1]]
    stages = [replace(stage, validate_every=1, save_every=1, workers=0) for stage in before]
    datasets = {name: as_dict(dataset) for name, dataset in config.datasets.items()}
    return key_of(as_dict(config.model), [as_dict(stage) for stage in stages], datasets, config.seed, config.init)


def _finished(folder: Path, config: RecipeConfig, name: str) -> bool:
    """Whether the stage's checkpoint is there; notes which configuration the folder belongs to.

    Raises:
        InputError: the folder was made by another configuration.
    """
    begun, key = folder / "begun.json", _key(config, name)
    if begun.exists() and json.loads(begun.read_text())["key"] != key:
        raise InputError(f"{folder}: was made with another configuration, wanted the same; use another --output")
    write_json(make_folder(folder) / "begun.json", {"key": key})
    return (folder / "checkpoint" / "config.json").exists()


def _finish(model: WorldModel, config: RecipeConfig, output: Path, evaluate: Evaluate) -> Path:
    """Writes the final checkpoint, measures it, and puts the measures on its model card."""
    folder = output / "checkpoint"
    training = {"recipe": as_dict(config), "seconds": _seconds(config, output)}
    training["episodes"] = trained_on.of_run(config, output)
    model.eval().requires_grad_(False)
    checkpoint.save(model, folder, card=model_card(config, None, {}), training=training, half=True)
    # What is measured is what was saved, rounding included.
    metrics = evaluate(checkpoint.load(folder), config, output / "report")
    training["metrics"] = metrics
    checkpoint.save(model, folder, card=model_card(config, None, metrics), training=training, half=True)
    console.print(f"checkpoint: {folder}\nreport:     {output / 'report' / 'report.html'}")
    return folder


def _seconds(config: RecipeConfig, output: Path) -> dict[str, int]:
    files = {name: output / name / "checkpoint" / "config.json" for name in config.stages}
    return {name: json.loads(file.read_text())["training"]["seconds"] for name, file in files.items()}
