"""What a recipe needs from environments and policies: recordings that it makes itself, and the final measures."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from rich.console import Console

from policies.batch import one_each
from policies.collect import collect as collect_episodes
from policies.evaluation import evaluate_policy
from policies.scripted import SCRIPTED, fitting, make_policy
from policies.world_action import BatchWorldActionPolicy, role
from worldmodel.commands.environments import full_id
from worldmodel.config import CollectConfig, DatasetConfig, RecipeConfig
from worldmodel.data.cache import quarantine_path
from worldmodel.data.duplicates import duplicates_path, read_duplicates
from worldmodel.data.quality import read_quarantine
from worldmodel.data.windows import split
from worldmodel.evaluate import evaluate_dream
from worldmodel.evaluation_windows import TooShort
from worldmodel.models.world_model import WorldModel
from worldmodel.panels import Film
from worldmodel.report import write_report
from worldmodel.screen.measures import evaluate_screen, is_screen
from worldmodel.sources import open_source
from worldmodel.types import EmbodimentSpec, Episode

MANY = 100  # episodes: as many are worth the start of several processes
FILMED = 6  # policy episodes shown in the report
console = Console(stderr=True)


class HeldOut:
    """The episodes of a dataset that a run keeps for validation, less damaged ones and those that repeat training ones.

    Args:
        config: of the dataset.
        name: of the dataset.
        run: folder of the run, which has opened its recordings.
    """

    def __init__(self, config: DatasetConfig, name: str, run: Path) -> None:
        path, cache = config.path or run / "data" / name, run / "cache"
        self.source = open_source(config, path)
        self.path = self.source.path
        self.embodiments: Sequence[EmbodimentSpec] = self.source.embodiments
        left_out = [damage.index for damage in read_quarantine(quarantine_path(cache, name))]
        left_out += [duplicate.episode for duplicate in read_duplicates(duplicates_path(cache, name))]
        self.indices = np.setdiff1d(split(len(self.source), config.held_out)[1], left_out)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Episode:
        return self.source[int(self.indices[index])]


def collect(config: CollectConfig, folder: Path) -> None:
    """Records what a dataset's ``collect`` asks for, or what is missing of it."""
    collect_episodes(
        full_id(config.env),
        config.policy,
        config.episodes,
        folder,
        seed=config.seed,
        max_steps=config.max_steps,
        env_options={"size": config.size, **config.options},
        workers=(os.cpu_count() or 1) if config.episodes >= MANY else 1,
    )


def evaluate(model: WorldModel, config: RecipeConfig, output: Path) -> dict[str, Any]:
    """Scores dreams on the held-out episodes of every dataset and the policy in its environments; writes reports.

    A dataset whose held-out episodes are all shorter than a dream is left out, and named.

    Returns:
        The measures of ``metrics.json`` by dataset, and those of the policy: ``policy``, or ``policies`` by environment
        (or task) where there are several.
    """
    metrics: dict[str, Any] = {}
    films: list[Film] = []
    worlds = [
        (full_id(env_id), task) for env_id in config.evaluation.envs for task in config.evaluation.tasks or [None]
    ]
    for env_id, task in worlds:
        policy, filmed = _policy(model, config, env_id, {} if task is None else {"task": task})
        if len(worlds) == 1:
            metrics["policy"], films = policy, filmed
        else:
            name = task or env_id.rpartition("/")[2]
            metrics.setdefault("policies", {})[name] = policy
            write_report(output / name, {"policy": policy}, title=f"{config.name}: {name}", episodes=filmed)
    shown = None
    for name, dataset in config.datasets.items():
        source = HeldOut(dataset, name, Path(config.output))
        if not len(source):
            continue
        options: dict[str, Any] = {
            "steps": config.evaluation.horizon,
            "max_windows": config.evaluation.windows,
            "camera": dataset.camera,
            "seed": config.evaluation.seed,
            "progress": True,
        }
        try:
            metrics[name], samples = evaluate_dream(model, source, **options)
        except TooShort as short:
            console.print(f"{name}: dreams are not measured ({short})")
            continue
        if is_screen(source.embodiments[0]):
            metrics[name]["screen"] = evaluate_screen(model, source, **options)
        shown = shown or (metrics[name], samples)
        write_report(output / name, metrics[name], title=f"{config.name}: {name}", dream=samples, episodes=[])
    first, samples = shown or ({}, None)
    write_report(output, metrics | first, title=config.name, dream=samples, episodes=films)
    return metrics


def _policy(
    model: WorldModel, config: RecipeConfig, env_id: str, env_options: dict[str, Any]
) -> tuple[dict[str, Any], list[Film]]:
    first = gymnasium.make(env_id, **env_options)
    limit = first.spec.max_episode_steps if first.spec else None
    rivals = config.evaluation.beside or fitting(SCRIPTED, first)
    first.close()
    metrics, episodes = evaluate_policy(
        lambda: gymnasium.make(env_id, **env_options),
        lambda envs: BatchWorldActionPolicy(model, **role(model, envs[0])),
        episodes=config.evaluation.episodes,
        seed0=config.evaluation.seed,
        max_steps=config.evaluation.max_steps or limit or 1000,
        parallel=config.evaluation.parallel,
        record=FILMED,
        references={name: one_each(lambda env, name=name: make_policy(name, env)) for name in rivals},
        progress=True,
    )
    fps = float(first.metadata.get("render_fps", 10))
    return {"env": env_id, "env_options": env_options, **metrics}, [
        episode.film(fps) for episode in episodes if episode.frames
    ]
