"""The README.md of a checkpoint: what it is, what it was trained on, how well it does, and what it cannot do."""

from collections.abc import Mapping, Sequence
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

Stages: {stages}.{beginning} Frames of {height}x{width} pixels. The whole recipe is in `config.json` under `training`.

## Measures

{measures}

## Limits

It knows the pictures and bodies it was trained on and nothing else; dreams drift with length, and what was never pushed
in the recordings is guessed. Do not drive real machines with its actions without a safety layer of your own.
"""

DREAMS = (
    "held-out episodes",
    "changed pixels: dream / last frame / tokenizer, dB",
    "error with other actions / true ones",
    "R2 of actions: real frames / dreams",
)
POLICIES = ("policy in", "success, mean best score", "95 % of success", "episodes", "beside: success, score")
ALL_MEASURES = "All others are in `config.json` under `training.metrics`."


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
    return CARD.format(
        licence=config.licence,
        name=config.name,
        data="\n".join(data),
        stages=", ".join(stages),
        beginning=_beginning(config),
        height=config.model.height,
        width=config.model.width,
        measures=_measures(metrics),
    )


def _beginning(config: RecipeConfig) -> str:
    """Where weights that the run did not train come from, and a tokenizer's licence; nothing where it trained all."""
    if config.tokenizer is not None:
        licence = config.tokenizer_licence or LICENCES.get(config.tokenizer)
        return f" Tokenizer: `{config.tokenizer}` as it was" + (f" (licence: {licence})." if licence else ".")
    if config.init is None:
        return ""
    return f" They go on from the weights of `{config.init}`."


def _origin(config: RecipeConfig, name: str) -> str:
    dataset = config.datasets[name]
    licence = f" (licence: {dataset.licence})" if dataset.licence else ""
    if dataset.collect is not None:
        made = dataset.collect
        return f"{made.episodes} episodes collected in `{made.env}` by the policy `{made.policy}`{licence}"
    return f"`{dataset.origin or dataset.path}`{licence}"


def _measures(metrics: Mapping[str, Any]) -> str:
    """The measures that tell most, beside what they are to be compared with."""
    policies = metrics.get("policies", {})
    if "policy" in metrics:
        policies = {metrics["policy"]["env"].rpartition("/")[2]: metrics["policy"], **policies}
    dreams = {name: part for name, part in metrics.items() if isinstance(part, Mapping) and "frames" in part}
    tables = [
        _table(head, [row(name, part) for name, part in parts.items()])
        for head, row, parts in ((DREAMS, _dream_row, dreams), (POLICIES, _policy_row, policies))
        if parts
    ]
    return "\n\n".join([*tables, ALL_MEASURES]) if tables else "Not measured."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows))


def _dream_row(name: str, part: Mapping[str, Any]) -> Sequence[str]:
    frames = part["frames"]
    beside = [side["changed_psnr_db"] for side in (frames, frames["copy_last"], frames["ceiling"])]
    control, actions = part.get("control", {}), part.get("actions", {})
    obedience = [actions.get("inverse_r2"), control.get("inverse_r2_dream")]
    obeying = [control.get("shuffle_ratio")]
    return name, _numbers(beside, 1), _numbers(obeying, 2), _numbers(obedience, 2)


def _policy_row(name: str, part: Mapping[str, Any]) -> Sequence[str]:
    def success(values: Mapping[str, Any]) -> str:
        return f"{_numbers([values['success_rate']], 2)}, {_numbers([values['mean_score']], 2)}"

    low, high = part["success_ci95"]
    beside = "; ".join(f"{who} {success(values)}" for who, values in part.get("references", {}).items())
    return name, success(part), f"{low:.2f} to {high:.2f}", str(part["episodes"]), beside or "-"


def _numbers(values: Sequence[float | None], digits: int) -> str:
    return " / ".join("-" if value is None else f"{value:.{digits}f}" for value in values)
