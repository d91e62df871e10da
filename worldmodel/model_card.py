"""The README.md of a checkpoint: what it is, what it was trained on, how well it does, and what it cannot do."""

from collections.abc import Mapping
from typing import Any

from worldmodel.config import RecipeConfig
from worldmodel.models.tokenizers import LICENCES

CARD = """\
---
license: {licence}
library_name: worldmodel
tags: [world-model, robotics, video-prediction]
---

# {name}

A world-action model: it dreams the next frames given actions, infers the actions between frames, and chooses actions.

    import worldmodel
    model = worldmodel.load("{name}")

## Data

{data}

## Training

Stages: {stages}.{tokenizer} Frames of {height}x{width} pixels. The whole recipe is in `config.json` under `training`.

## Measures

{measures}

## Limits

It knows the pictures and bodies it was trained on and nothing else; dreams drift with length, and what was never pushed
in the recordings is guessed. Do not drive real machines with its actions without a safety layer of your own.
"""


def model_card(config: RecipeConfig, stage: str | None, metrics: Mapping[str, Any]) -> str:
    """Writes the card.

    Args:
        config: the run.
        stage: the stage that has just ended, or None for the final checkpoint.
        metrics: nested measures as in metrics.json, or nothing.
    """
    stages = [f"{name} ({part.steps} steps of {part.batch})" for name, part in config.stages.items()]
    if stage is not None:
        stages = stages[: list(config.stages).index(stage) + 1]
    data = [f"- {name}: {_origin(config, name)}" for name in config.datasets]
    rows = [f"| {key} | {value} |" for key, value in flatten(metrics).items()]
    measures = "\n".join(["| measure | value |", "|---|---|", *rows]) if rows else "Not measured."
    return CARD.format(
        licence=config.licence,
        name=config.name,
        data="\n".join(data),
        stages=", ".join(stages),
        tokenizer=_tokenizer(config),
        height=config.model.height,
        width=config.model.width,
        measures=measures,
    )


def _tokenizer(config: RecipeConfig) -> str:
    """Where a tokenizer that the run did not train comes from, and its licence; nothing of one that it trained."""
    if config.tokenizer is not None:
        licence = config.tokenizer_licence or LICENCES.get(config.tokenizer)
        return f" Tokenizer: `{config.tokenizer}` as it was" + (f" (licence: {licence})." if licence else ".")
    return "" if "tokenizer" in config.stages else f" Tokenizer: that of `{config.init}`."


def _origin(config: RecipeConfig, name: str) -> str:
    dataset = config.datasets[name]
    licence = f" (licence: {dataset.licence})" if dataset.licence else ""
    if dataset.collect is not None:
        made = dataset.collect
        return f"{made.episodes} episodes collected in `{made.env}` by the policy `{made.policy}`{licence}"
    return f"`{dataset.origin or dataset.path}`{licence}"


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested numbers as dotted names; lists are left out."""
    rows: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            rows.update(flatten(value, f"{prefix}{key}."))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            rows[prefix + key] = f"{value:.4g}"
    return rows
