"""One YAML file is one complete run. Dataclasses give every key its type and default; unknown keys are refused.

Files can be composed with ``!include other.yaml``; ``--key.sub value`` replaces a value, with YAML's own spelling.
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import draccus
import yaml

from worldmodel.data.augment import Augmentation
from worldmodel.initial_weights import shape_of
from worldmodel.models.precision import PRECISIONS
from worldmodel.models.tokenizer import TokenizerConfig
from worldmodel.models.world_model import WorldModelConfig
from worldmodel.types import InputError
from worldmodel.yaml_file import read_yaml, set_value

STAGES = ("tokenizer", "pretrain", "midtrain", "finetune", "distill")


@dataclass(frozen=True)
class CollectConfig:
    """Recordings that the run makes itself when they are not there yet.

    Attributes:
        env: environment id.
        policy: who acts, or a mixture (`policies.behaviours`).
        episodes: how many.
        max_steps: longest episode.
        size: side of the square frames, in pixels.
        seed: of the first episode; the others count up.
        options: further arguments of the environment.
    """

    env: str = "worldmodel/PushT-v0"
    policy: str = "explore"
    episodes: int = 100
    max_steps: int = 150
    size: int = 64
    seed: int = 0
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DatasetConfig:
    """One set of recordings.

    Attributes:
        path: file, folder or Hub id; for a set with ``collect``, a folder (default: inside the run's folder).
        collect: how to make it, or None if it exists.
        embodiment: overrides what the recordings say of themselves.
        camera: which pictures are used, a camera's name or "tile" for all in one picture; None: the first camera.
        cuts: split video clips at cuts, each scene an episode.
        fps: of recordings without actions, about so many pictures per second are used; None: all.
        held_out: share of episodes kept for validation, spread evenly; never trained on; 1: all. Those that show what
            a training episode shows are not used at all (`worldmodel.data.duplicates`).
        labelled: share of training episodes whose actions are used; the others count as plain video.
        actions: "recorded", or "motion": how far the state moved (`worldmodel.data.motion`).
        imitate: whether the policy learns from its actions (exploration teaches dreams, not what to do).
        licence: of the recordings, for the model card.
        origin: where they come from, for the model card (``path`` may be a local copy).
    """

    path: str | None = None
    collect: CollectConfig | None = None
    embodiment: str | None = None
    camera: str | None = None
    cuts: bool = True
    fps: float | None = None
    held_out: float = 0.08
    labelled: float = 1.0
    actions: str = "recorded"
    imitate: bool = True
    licence: str = ""
    origin: str = ""

    def __post_init__(self) -> None:
        if self.actions not in ("recorded", "motion"):
            raise InputError(f"actions: found {self.actions!r}, wanted 'recorded' or 'motion'")


@dataclass(frozen=True)
class StageConfig:
    """One stage of training.

    Attributes:
        steps: optimiser steps.
        batch: windows (or pictures, for the tokenizer) per step.
        window: frames per window; latents, where the tokenizer takes several frames per latent.
        learning_rate: peak; linear warm-up, constant, then linear decay.
        warmup: steps of warm-up.
        decay: share of the steps in which the rate falls.
        weight_decay: of AdamW.
        optimizer: "adamw" or "muon" (matrices inside the transformer by Muon, the rest by AdamW).
        ema: decay of the averaged weights that are saved and used; 0 turns averaging off.
        clip_norm: largest norm of the gradient.
        act_share: share of the steps that train on acting (inverse dynamics and policy), spread evenly.
        only_bodies: nothing is trained but what bodies have of their own (`worldmodel.models.bodies`), without weight
            decay: dreams and actions of bodies that the mixture does not show stay exactly as they are.
        mixture: dataset name -> weight; empty: all, by their number of frames.
        act_mixture: the same for steps that train on acting; empty: as ``mixture``.
        act_window: length of the windows of such steps, which draw as many more of them; 0: as ``window``. Of a model
            whose ``backbone.act_window`` is 1 only their last frames count: then it is 1 + ``backbone.history``, and
            there are ``batch`` times ``window`` of them.
        precision: "float32", or "bfloat16": products are, weights and sums are not.
        rollout_window: frames of the windows that dream steps draw; in half of these steps, the model dreams the past
            of the ``window`` frames that it learns from itself, up to so long (`worldmodel.models.self_forcing`);
            0: never.
        act_augment: moves the pictures of such steps, and what people did in them.
        changed_weight: tokenizer only, weight of pixels that changed.
        crop: tokenizer only, side in px of the part of every picture that is learnt from (`worldmodel.data.crops`); 0:
            all of it.
        equivariance: tokenizer only, weight of what moved latents decode to (`worldmodel.models.equivariance`).
        pasted: tokenizer only, weight of what latents of two pictures decode to (`worldmodel.models.pasting`).
        decoder_share: tokenizer only, share of the steps, the last ones, in which the decoder alone learns.
        workers: processes that load batches beside the training; 0: it loads them itself. What is trained on, and in
            which order, is the same for any number.
        compile: compile the loss with torch.compile.
        validate_every: steps between validations.
        save_every: steps between checkpoints to resume from.
    """

    steps: int = 1000
    batch: int = 16
    window: int = 8
    learning_rate: float = 1e-3
    warmup: int = 200
    decay: float = 0.5
    weight_decay: float = 0.01
    optimizer: str = "adamw"
    ema: float = 0.998
    clip_norm: float = 1.0
    act_share: float = 0.0
    only_bodies: bool = False
    mixture: dict[str, float] = field(default_factory=dict)
    act_mixture: dict[str, float] = field(default_factory=dict)
    act_window: int = 0
    rollout_window: int = 0
    act_augment: Augmentation = field(default_factory=Augmentation)
    precision: str = "float32"
    changed_weight: float = 20.0
    crop: int = 0
    equivariance: float = 0.0
    pasted: float = 0.0
    decoder_share: float = 0.0
    workers: int = 0
    compile: bool = True
    validate_every: int = 1000
    save_every: int = 500

    def __post_init__(self) -> None:
        if self.optimizer not in ("adamw", "muon"):
            raise InputError(f"optimizer: found {self.optimizer!r}, wanted 'adamw' or 'muon'")
        for name in ("steps", "batch", "validate_every", "save_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: found {getattr(self, name)}, wanted at least 1")
        if not 0.0 <= self.decoder_share < 1.0:
            raise InputError(f"decoder_share: found {self.decoder_share}, wanted a share from 0 to below 1")
        if not 0.0 <= self.act_share <= 1.0:
            raise InputError(f"act_share: found {self.act_share}, wanted a share from 0 to 1")
        if self.crop < 0 or self.crop % 16:
            raise InputError(f"crop: found {self.crop}, wanted a number of px divisible by 16")
        if self.workers < 0:
            raise InputError(f"workers: found {self.workers}, wanted at least 0")
        if self.window < 2:
            raise InputError(f"window: found {self.window}, wanted at least 2 frames")
        if self.act_window and not 2 <= self.act_window <= self.window:
            raise InputError(f"act_window: found {self.act_window}, wanted 0 or 2 to window ({self.window})")
        if self.precision not in PRECISIONS:
            raise InputError(f"precision: found {self.precision!r}, wanted one of {', '.join(PRECISIONS)}")
        if self.rollout_window and self.rollout_window < self.window:
            raise InputError(f"rollout_window: found {self.rollout_window}, wanted 0 or at least window {self.window}")


@dataclass(frozen=True)
class EvaluationConfig:
    """What the run measures at its end.

    Attributes:
        windows: open-loop dreams per dataset.
        horizon: frames of each.
        envs: environments in which to run the policy.
        tasks: of each environment; empty: the one that it has anyway.
        episodes: policy episodes in each, and of each task.
        max_steps: longest episode; 0: the environment's own limit.
        beside: policies to compare with; empty: all scripted ones that can act there.
        parallel: episodes at once.
        seed: of the first policy episode.
    """

    windows: int = 64
    horizon: int = 16
    envs: list[str] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    episodes: int = 50
    max_steps: int = 0
    beside: list[str] = field(default_factory=list)
    parallel: int = 50
    seed: int = 1000


@dataclass(frozen=True)
class RecipeConfig:
    """A complete run, from recordings to report.

    Attributes:
        name: of the model.
        output: folder of the run.
        seed: of everything random.
        threads: of torch; 0 leaves torch's choice.
        licence: of the resulting weights, for the model card.
        tokenizer: one that exists, in place of a tokenizer stage: "taef2", a checkpoint, or an AutoencoderTiny or
            AutoencoderKLWan of ``diffusers`` (folder or Hub id). It stays as it is, apart from the statistics of its
            latents, and becomes part of the run's checkpoints. None: the stage or ``init`` brings it.
        tokenizer_licence: of its weights, for the model card; that of "taef2" is known.
        model: shape of the network.
        datasets: by name.
        stages: by name, in the order of `STAGES`; each goes on from the one before.
        evaluation: what is measured at the end.
        init: checkpoint to start from (a tokenizer stage is then optional), or None; its tokenizer comes along. What
            bodies have of their own is found by their names, and starts anew for those that it does not know.
        wandb: "off", "offline" or "online".
    """

    name: str
    output: str
    datasets: dict[str, DatasetConfig]
    stages: dict[str, StageConfig]
    seed: int = 0
    threads: int = 0
    licence: str = "apache-2.0"
    tokenizer: str | None = None
    tokenizer_licence: str = ""
    model: WorldModelConfig = field(default_factory=WorldModelConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    init: str | None = None
    wandb: str = "off"

    def __post_init__(self) -> None:
        unknown = [stage for stage in self.stages if stage not in STAGES]
        if unknown or not self.stages:
            raise InputError(f"stages: found {', '.join(unknown) or 'none'}, wanted some of {', '.join(STAGES)}")
        if list(self.stages) != [stage for stage in STAGES if stage in self.stages]:
            raise InputError(f"stages: found the order {', '.join(self.stages)}, wanted {', '.join(STAGES)}")
        if "tokenizer" in self.stages and self.stages["tokenizer"].only_bodies:
            raise InputError("stages.tokenizer.only_bodies: found true, wanted false: pictures have no body")
        distill = self.stages.get("distill")
        if distill is not None and not (self.model.backbone.shortcut or distill.rollout_window):
            found = "model.backbone.shortcut false and rollout_window 0"
            raise InputError(f"stages.distill: found {found}, wanted shortcuts or rollouts to learn from")
        if not self.datasets:
            raise InputError("datasets: found none, wanted at least one")
        if self.wandb not in ("off", "offline", "online"):
            raise InputError(f"wandb: found {self.wandb!r}, wanted off, offline or online")
        for stage, config in self.stages.items():
            if missing := (set(config.mixture) | set(config.act_mixture)) - set(self.datasets):
                raise InputError(
                    f"stages.{stage}.mixture: unknown {', '.join(sorted(missing))}, "
                    f"wanted some of {', '.join(self.datasets)}"
                )
        if self.tokenizer is not None:
            _check_tokenizer(self)
        elif "tokenizer" not in self.stages and self.init is None:
            raise InputError("stages: no tokenizer stage, no tokenizer and no init checkpoint, wanted one of them")
        if self.model.tokenizer.architecture:
            raise InputError("model.tokenizer.architecture: only checkpoints have it, wanted tokenizer: NAME")


def _check_tokenizer(config: RecipeConfig) -> None:
    """Refuses settings that contradict a tokenizer that exists.

    Raises:
        InputError: names the setting.
    """
    where = f"tokenizer: found {config.tokenizer!r} and"
    if "tokenizer" in config.stages:
        raise InputError(f"{where} a stage that would train another one, wanted one of them")
    if config.init is not None:
        raise InputError(f"{where} init {config.init!r}, which brings its own, wanted one of them")
    if config.model.tokenizer != TokenizerConfig():
        raise InputError(f"{where} a shape in model.tokenizer, wanted one of them")


def load_config(path: str, overrides: list[str] | None = None) -> RecipeConfig:
    """Reads a run from a YAML file and ``--key value`` words.

    Where the file names ``init`` and says nothing of ``model``, the shape is that of the checkpoint.

    Raises:
        InputError: unreadable file or checkpoint, unknown or missing key, value of a wrong type.
    """
    values = read_yaml(Path(path))
    shaped = "model" in values
    words = list(overrides or [])
    while words:
        key = words.pop(0)
        key, equals, value = key.partition("=")
        if not key.startswith("--") or not (equals or words):
            raise InputError(f"{key}: found a word without --key value, wanted pairs such as --seed 1")
        set_value(values, key[2:].split("."), yaml.safe_load(value if equals else words.pop(0)), key)
    if isinstance(values.get("init"), str) and not shaped:
        values["model"] = shape_of(values["init"], values.get("model", {}))
    try:
        return draccus.decode(RecipeConfig, values)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (draccus.utils.ParsingError, draccus.utils.DecodingError, TypeError, ValueError) as error:
        cause = error.__cause__ if isinstance(error.__cause__, InputError) else error
        raise InputError(f"{path}: {' '.join(str(cause).split())}") from error


def to_yaml(config: RecipeConfig) -> str:
    """The resolved configuration, readable by ``load_config`` again."""
    return yaml.safe_dump(draccus.encode(config), sort_keys=False)


def as_dict(config: Any) -> dict[str, Any]:
    """Plain values of any of these dataclasses, for hashing and JSON."""
    return dataclasses.asdict(config)
