"""Trains stages with Lightning: exact resume, metrics.csv, wandb when asked, short rollouts along the way."""

import csv
import logging
import os
import time
import warnings
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, RichProgressBar, TQDMProgressBar
from lightning.pytorch.loggers import WandbLogger
from torch.utils.data import DataLoader

from worldmodel.config import RecipeConfig, as_dict, to_yaml
from worldmodel.data.windows import Stream
from worldmodel.stages import Stage
from worldmodel.types import InputError

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)


class Batches(lightning.LightningDataModule):
    """Hands a stream to Lightning once it is known which rank of how many this process is.

    Args:
        stream: batches.
        workers: processes that load; 0: this one.
    """

    def __init__(self, stream: Stream, workers: int) -> None:
        super().__init__()
        self.stream, self.workers = stream, workers

    def train_dataloader(self) -> DataLoader:
        assert self.trainer is not None
        self.stream.rank, self.stream.ranks = self.trainer.global_rank, self.trainer.world_size
        # An iterable dataset keeps its own order: Lightning gives it no distributed sampler.
        return DataLoader(self.stream, batch_size=None, num_workers=self.workers)


class Resume(Callback):
    """Writes ``last.ckpt`` every ``every`` steps and at the end; the file is replaced at once, never half-written."""

    def __init__(self, folder: Path, every: int) -> None:
        self.path, self.every = folder / "last.ckpt", every

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: object) -> None:
        if trainer.global_step % self.every == 0 or trainer.global_step == trainer.max_steps:
            partial = self.path.with_suffix(".partial")
            trainer.save_checkpoint(partial)
            if trainer.is_global_zero:
                partial.replace(self.path)


class Record(Callback):
    """Appends losses, learning rate, frames/s and validation measures to metrics.csv (and to wandb).

    A resumed run first drops rows of steps that it is going to repeat.

    Args:
        folder: of the stage.
        every: steps between rows.
        frames_per_step: for frames/s.
        validate: measures of the averaged network, by name; called every ``validate_every`` steps.
        validate_every: steps between validations.
    """

    def __init__(self, folder: Path, every: int, frames_per_step: int, validate: Any, validate_every: int) -> None:
        self.path, self.every, self.frames_per_step = folder / "metrics.csv", every, frames_per_step
        self.validate, self.validate_every = validate, validate_every
        self.rows: list[dict[str, Any]] = []
        self.sums: dict[str, list[float]] = {}

    def on_train_start(self, trainer: lightning.Trainer, *_: object) -> None:
        if self.path.exists():
            with self.path.open(newline="") as file:
                self.rows = [row for row in csv.DictReader(file) if int(row["step"]) <= trainer.global_step]
        self.clock, self.last = time.perf_counter(), trainer.global_step

    def on_train_batch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule, *_: object) -> None:
        for name, value in trainer.callback_metrics.items():
            if trainer.fit_loop.epoch_loop.batch_progress.total.ready and name.startswith("loss/"):
                self.sums.setdefault(name, []).append(float(value))
        step, row = trainer.global_step, {}
        if step % self.every == 0:
            row = {name: round(float(np.mean(values)), 6) for name, values in self.sums.items()}
            row["learning_rate"] = trainer.optimizers[0].param_groups[0]["lr"]
            row["frames_per_s"] = round(
                (step - self.last) * self.frames_per_step / (time.perf_counter() - self.clock), 1
            )
            self.sums = {}
        if step % self.validate_every == 0 or step == trainer.max_steps:
            row.update({f"validation/{name}": round(value, 4) for name, value in self.validate(module).items()})
        if row:
            self.rows.append({"step": step, **row})
            if trainer.is_global_zero:
                self._write()
            if trainer.logger:
                trainer.logger.log_metrics(row, step)
        if step % self.every == 0 or step % self.validate_every == 0:
            self.clock, self.last = time.perf_counter(), step

    def _write(self) -> None:
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        partial = self.path.with_suffix(".partial")
        with partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(self.rows)
        partial.replace(self.path)


def fit(
    stage: Stage, stream: Stream, validate: Any, recipe: RecipeConfig, folder: Path, name: str, frames: int
) -> None:
    """Trains ``stage`` to its last step, going on from ``folder/last.ckpt`` if there is one.

    Args:
        stage: what to train.
        stream: batches; its start is set here.
        validate: see ``Record``.
        recipe: the run.
        folder: of this stage.
        name: of this stage.
        frames: frames per step, for frames/s.

    Raises:
        InputError: ``last.ckpt`` is damaged or of another network, or the loss cannot be compiled here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(to_yaml(recipe))
    config = stage.config
    last = folder / "last.ckpt"
    stream.start = _step_of(last) if last.exists() else 0
    if stream.start >= config.steps:
        stage.load_state_dict(torch.load(last, weights_only=True)["state_dict"])
        return
    log_every = max(1, min(50, config.steps // 10))
    bar = RichProgressBar() if os.isatty(1) else TQDMProgressBar(refresh_rate=log_every)
    trainer = lightning.Trainer(
        accelerator="auto",
        devices="auto",
        max_steps=config.steps,
        gradient_clip_val=config.clip_norm,
        logger=_wandb(recipe, folder, name),
        enable_checkpointing=False,
        enable_model_summary=False,
        callbacks=[
            Record(folder, log_every, frames, validate, config.validate_every),
            Resume(folder, config.save_every),
            bar,
        ],
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*|.*isinstance.treespec.*")
        warnings.filterwarnings("ignore", category=UserWarning, module="lightning")
        batches = Batches(stream, config.workers)
        try:
            trainer.fit(stage, datamodule=batches, ckpt_path=str(last) if stream.start else None, weights_only=True)
        except RuntimeError as error:
            if told := _explained(error, folder, name):
                raise told from error
            raise
    if isinstance(trainer.logger, WandbLogger):
        trainer.logger.experiment.finish()
    if trainer.global_step < config.steps:
        raise KeyboardInterrupt


def _explained(error: RuntimeError, folder: Path, name: str) -> InputError | None:
    """What a person can do about an error of training, where that is known."""
    if "Error(s) in loading state_dict" in str(error):
        wanted = f"wanted the one of this run; remove {folder}"
        return InputError(f"{folder / 'last.ckpt'}: belongs to another network, {wanted}")

    from torch._dynamo.exc import TorchDynamoException  # takes seconds to load

    if isinstance(error, TorchDynamoException):
        reason = str(error).strip().splitlines()[0]
        return InputError(
            f"stages.{name}.compile: torch.compile failed here ({reason}), wanted false or a working compiler"
        )
    return None


def _step_of(checkpoint: Path) -> int:
    """Steps done when a Lightning checkpoint was written."""
    try:
        return int(torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)["global_step"])
    except (RuntimeError, KeyError, OSError, EOFError, ValueError) as error:
        raise InputError(
            f"{checkpoint}: damaged, wanted a Lightning checkpoint; remove it to start this stage anew"
        ) from error


def _wandb(recipe: RecipeConfig, folder: Path, name: str) -> Any:
    if recipe.wandb == "off":
        return False
    return WandbLogger(
        project="worldmodel",
        name=f"{recipe.name}-{name}",
        save_dir=folder,
        offline=recipe.wandb == "offline",
        config=as_dict(recipe),
    )
