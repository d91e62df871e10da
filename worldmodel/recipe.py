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
from worldmodel.data.cache import Recordings, key_of, load_recordings, quarantine_path
from worldmodel.data.duplicates import duplicates_path, held_out_duplicates, read_duplicates
from worldmodel.data.latent_time import in_latent_time
from worldmodel.data.quality import read_quarantine
from worldmodel.data.windows import PictureSampler, Stream, WindowSampler, labelled, split
from worldmodel.initial_weights import begin_with
from worldmodel.latent_statistics import fit_statistics
from worldmodel.model_card import model_card
from worldmodel.models.devices import on_accelerator
from worldmodel.models.frame_tokenizer import FrameTokenizer
from worldmodel.models.tokenizers import describe, load_tokenizer
from worldmodel.models.world_model import WorldModel, WorldModelConfig
from worldmodel.output import make_folder, write_json
from worldmodel.sources import open_source
from worldmodel.stages import BackboneStage, TokenizerStage
from worldmodel.train import fit
from worldmodel.types import EmbodimentSpec, InputError
from worldmodel.validation import ValidateDreams, ValidateTokenizer

Collect = Callable[[CollectConfig, Path], None]
Evaluate = Callable[[WorldModel, RecipeConfig, Path], dict[str, Any]]
console = Console(stderr=True)
# Of a model: how weights are used, not what they are.
USE = ("sampling_steps", "noise_scale", "still_change", "refresh", "action_steps", "execute")


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
    if config.tokenizer is not None:
        fit_statistics(model.tokenizer, recordings, [part[0] for part in _splits(config, recordings, output)])
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
        source = open_source(dataset, path)
        size = (config.model.height, config.model.width)
        recordings = load_recordings(name, source, output / "cache", *size, camera=dataset.camera)
        where = quarantine_path(output / "cache", name)
        if damaged := read_quarantine(where):
            console.print(f"{name}: {len(damaged)} of {len(source)} episodes left out as damaged, see {where}")
        where = duplicates_path(output / "cache", name)
        train, held = split(recordings.episodes, dataset.held_out)
        if found := held_out_duplicates(where, recordings, train, held):
            told = f"{len(found)} of {len(held)} held-out episodes repeat training episodes and are left out"
            console.print(f"{name}: {told}, see {where}")
        result.append(recordings)
    return result


def build_model(config: RecipeConfig, specs: list[EmbodimentSpec]) -> WorldModel:
    """A model with fresh weights (from the run's seed), or the one that ``init`` names.

    The statistics of a tokenizer that exists are as they came; `fit_statistics` brings those of the recordings.

    Raises:
        InputError: recordings without actions, an unusable tokenizer or initial checkpoint, or settings that do not
            fit them.
    """
    bodies = list({spec.name: spec for spec in specs}.values())
    if not any(len(body.action) for body in bodies):
        raise InputError("datasets: no recording has actions, wanted at least one that tells what actions are")
    tokenizer = None if config.tokenizer is None else load_tokenizer(config.tokenizer)
    shape = _shape(config, tokenizer)
    lightning.seed_everything(config.seed, verbose=False)
    model = WorldModel(shape, bodies)
    if tokenizer is not None:
        model.tokenizer.load_state_dict(tokenizer.state_dict())
    if config.init is not None:
        first = checkpoint.load(config.init)
        if _comparable(first.config, shape) != _comparable(shape, shape):
            raise InputError(f"{config.init}: its shape differs from this run's model, wanted the same")
        if fresh := begin_with(model, first):
            console.print(
                f"{config.init}: has nothing that fits {', '.join(fresh)}; what these have of their own starts anew"
            )
    model.requires_grad_(True)
    model.tokenizer.requires_grad_("tokenizer" in config.stages)
    return model


def _comparable(config: WorldModelConfig, wanted: WorldModelConfig) -> WorldModelConfig:
    """The shape of a checkpoint without what may differ from that of a run which begins with it."""
    shortcut = config.backbone.shortcut or wanted.backbone.shortcut
    heads = {"discrete": wanted.backbone.discrete, "act_window": wanted.backbone.act_window}
    backbone = replace(config.backbone, shortcut=shortcut, **heads)
    free = {name: getattr(wanted, name) for name in ("objective", *USE)}
    return replace(config, backbone=backbone, **free)


def _shape(config: RecipeConfig, tokenizer: FrameTokenizer | None) -> WorldModelConfig:
    """The model's shape, to which a tokenizer from elsewhere, or that of ``init``, brings its part."""
    shape = config.model
    if tokenizer is not None:
        shape = replace(shape, tokenizer=describe(tokenizer))
    elif config.init is not None:
        first = checkpoint.read_config(checkpoint.find(config.init))[0].tokenizer
        if first.architecture and "tokenizer" in config.stages:
            raise InputError(f"{config.init}: its tokenizer is not ours and stays as it is, wanted no tokenizer stage")
        shape = replace(shape, tokenizer=first) if first.architecture else shape
    for name, stage in config.stages.items():
        if shape.tokenizer.frames_per_latent > 1 and stage.act_augment.share:
            found = f"found share {stage.act_augment.share:g} and {shape.tokenizer.frames_per_latent} frames per latent"
            raise InputError(f"stages.{name}.act_augment: {found}, wanted share 0: moved pictures are encoded alone")
    return shape


def _splits(config: RecipeConfig, recordings: list[Recordings], output: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Per dataset, the training episodes, and the held-out ones that repeat none of them."""
    result = []
    for dataset in recordings:
        train, held = split(dataset.episodes, config.datasets[dataset.name].held_out)
        repeats = read_duplicates(duplicates_path(output / "cache", dataset.name))
        result.append((train, np.setdiff1d(held, [duplicate.episode for duplicate in repeats])))
    return result


def train_stage(
    model: WorldModel, config: RecipeConfig, name: str, stage: StageConfig, recordings: list[Recordings], output: Path
) -> None:
    """Trains one stage in place and writes its checkpoint."""
    begin, folder = time.time(), output / name
    splits = _splits(config, recordings, output)
    train, held = [parts[0] for parts in splits], [parts[1] for parts in splits]
    episodes = trained_on.note(folder, config, output, {r.name: e for r, e in zip(recordings, train, strict=True)})
    if name == "tokenizer":
        module = TokenizerStage(model.tokenizer, stage, config.seed)
        stream = Stream(PictureSampler(recordings, train, stage.mixture, stage.crop), config.seed, stage.batch)
        fit(module, stream, ValidateTokenizer(recordings, held), config, folder, name, stage.batch)
        model.tokenizer.load_state_dict(module.average.state_dict())
        fit_statistics(model.tokenizer, recordings, train)
    else:
        with on_accelerator(model.tokenizer):
            _train_backbone(model, config, name, stage, recordings, splits, output)
    training = {"stage": name, "seconds": round(time.time() - begin), "episodes": episodes}
    checkpoint.save(model, folder / "checkpoint", card=model_card(config, name, {}), training=training)


def _train_backbone(
    model: WorldModel,
    config: RecipeConfig,
    name: str,
    stage: StageConfig,
    recordings: list[Recordings],
    splits: list[tuple[np.ndarray, np.ndarray]],
    output: Path,
) -> None:
    train, held = [parts[0] for parts in splits], [parts[1] for parts in splits]
    encoded = [in_latent_time(dataset, model.tokenizer.eval(), output / "cache") for dataset in recordings]
    samplers = _samplers(model, config, stage, encoded, train)
    known, distill = name != "pretrain", name == "distill" and model.config.backbone.shortcut
    module = BackboneStage(model, stage, config.seed, actions_known=known, distill=distill)
    validate = ValidateDreams(model, recordings, held, actions_known=known)
    acts = {"act_sampler": samplers[1], "act_share": stage.act_share, "act_size": act_size(model, stage)}
    stream = Stream(samplers[0], config.seed, stage.batch, **acts)
    frames = stage.batch * stage.window * model.frames_per_latent
    fit(module, stream, validate, config, output / name, name, frames)
    model.backbone.load_state_dict(module.average.state_dict())


def act_size(model: WorldModel, stage: StageConfig) -> int:
    """Windows of a step that trains on acting: as many as give as many frames to learn from as the other steps have."""
    counted = 1 if model.config.backbone.act_window == 1 else stage.act_window or stage.window
    return max(1, stage.batch * stage.window // counted)


def _samplers(
    model: WorldModel, config: RecipeConfig, stage: StageConfig, encoded: list[Recordings], train: list[np.ndarray]
) -> list[WindowSampler]:
    """Draw the windows of a stage: to dream, and to act."""
    known = [labelled(e, config.datasets[r.name].labelled) for r, e in zip(encoded, train, strict=True)]
    try:
        return [
            WindowSampler(
                encoded,
                train,
                window=window,
                chunk=model.config.backbone.chunk,
                action_size=model.backbone.action_size,
                state_size=model.backbone.state_size,
                bodies={body.name: index for index, body in enumerate(model.embodiments)},
                weights=weights,
                known=known,
                imitate=[name for name, dataset in config.datasets.items() if dataset.imitate],
                frames=frames,
            )
            for window, weights, frames in (
                (max(stage.window, stage.rollout_window), stage.mixture, False),
                (stage.act_window or stage.window, stage.act_mixture or stage.mixture, stage.act_augment.share > 0),
            )
        ]
    except InputError as error:
        if (n := model.frames_per_latent) == 1:
            raise
        raise InputError(f"{error}; these are counted in latents, after the first one of {n} frames each") from error


def _key(config: RecipeConfig, name: str) -> str:
    """Changes whenever this stage, or one before it, would end in other weights."""
    names = list(config.stages)
    before = [config.stages[key] for key in names[: names.index(name) + 1]]
    stages = [replace(stage, validate_every=1, save_every=1, workers=0) for stage in before]
    datasets = {name: as_dict(dataset) for name, dataset in config.datasets.items()}
    model = as_dict(config.model)
    # A stage that goes on from its own dreams draws them as the model is used.
    drawn = {"noise_scale", "still_change"} if any(stage.rollout_window for stage in before) else set()
    for setting in set(USE) - drawn:
        del model[setting]
    # What says nothing of a tokenizer of ours is left out: folders from before it was there keep their key.
    model["tokenizer"] = {k: v for k, v in model["tokenizer"].items() if k not in ("frames_per_latent", "architecture")}
    from_elsewhere = [] if config.tokenizer is None else [config.tokenizer]
    return key_of(model, [as_dict(stage) for stage in stages], datasets, config.seed, config.init, *from_elsewhere)


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
