"""Which episodes a model has learnt from, by content hash, so that it can be told what of them was deleted since.

``episodes`` in a checkpoint's ``training`` is a dictionary: dataset -> hashes of its training episodes, or None where
the dataset has no manifest. A stage notes them in ``episodes.json`` before its first step, so that a run that goes on
after a deletion still names what the earlier part of it saw.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from worldmodel import checkpoint
from worldmodel.config import RecipeConfig
from worldmodel.data.manifest import read_manifest
from worldmodel.output import make_folder, write_json

Hashes = dict[str, list[str] | None]
NOTE = "episodes.json"


def note(folder: Path, config: RecipeConfig, output: Path, episodes: Mapping[str, np.ndarray]) -> Hashes:
    """Notes what a stage begins to learn from and returns it, together with what an interrupted part of it learnt from.

    Args:
        folder: of the stage.
        config: the run.
        output: folder of the run.
        episodes: dataset -> indices of its training episodes.
    """
    found: Hashes = {}
    for name, chosen in episodes.items():
        entries = read_manifest(Path(config.datasets[name].path or output / "data" / name))
        found[name] = None if entries is None else [entries[index]["content_hash"] for index in chosen.tolist()]
    earlier = json.loads((folder / NOTE).read_text()) if (folder / NOTE).exists() else {}
    merged = merge([earlier, found])
    write_json(make_folder(folder) / NOTE, merged)
    return merged


def of_run(config: RecipeConfig, output: Path) -> Hashes:
    """Returns what all stages of a finished run, and the model that it began with, learnt from."""
    stages = [_of_checkpoint(output / name / "checkpoint", list(config.datasets)) for name in config.stages]
    before: Hashes = {}
    for source, folder in _earlier(config, output).items():
        noted = _of_checkpoint(folder, ["all of it"])
        before |= {f"{source}: {name}": hashes for name, hashes in noted.items()}
    return merge([before, *stages])


def _earlier(config: RecipeConfig, output: Path) -> dict[str, Path]:
    """Checkpoints of this package that a run began with, for the whole model or for its tokenizer."""
    names = [config.init]
    if config.tokenizer is not None:
        last = json.loads((output / list(config.stages)[-1] / "checkpoint" / "config.json").read_text())
        if not last["model"]["tokenizer"]["architecture"]:
            names.append(config.tokenizer)
    return {name: checkpoint.find(name) for name in names if name is not None}


def merge(parts: Sequence[Mapping[str, list[str] | None]]) -> Hashes:
    """Joins lists of hashes by dataset; what is unknown in one part is unknown in all."""
    merged: Hashes = {}
    for part in parts:
        for name, hashes in part.items():
            known = merged.get(name, [])
            merged[name] = None if hashes is None or known is None else list(dict.fromkeys([*known, *hashes]))
    return merged


def in_words(training: Mapping[str, Any], deleted: Mapping[str, Any]) -> str:
    """Says whether a model was trained on what is deleted now.

    Args:
        training: of a checkpoint's config.json.
        deleted: tombstones by content hash.
    """
    episodes: Hashes = training.get("episodes") or {}
    unknown = [name for name, hashes in episodes.items() if hashes is None]
    count = len({key for hashes in episodes.values() for key in hashes or [] if key in deleted})
    if not episodes or (not count and len(unknown) == len(episodes)):
        return "unknown"
    told = f"trained on {count} deleted episode{'s' * (count != 1)}" if count else "none deleted"
    return told + (f"; unknown: {', '.join(unknown)}" if unknown else "")


def _of_checkpoint(folder: Path, names: Sequence[str]) -> Hashes:
    """What a checkpoint notes; of an older one, which notes nothing, the named datasets are unknown."""
    training = json.loads((folder / "config.json").read_text()).get("training") or {}
    return training.get("episodes") or dict.fromkeys(names)
