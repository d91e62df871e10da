"""Does again what a collected data set did, so that it is seen by another camera, in another size or by another env."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from worldmodel.data.lerobot import LeRobotSource
from worldmodel.data.lerobot_layout import OWN_META, read_json
from worldmodel.types import InputError


class ReplayPolicy:
    """Episode by episode, the actions of the recording that was made from the same seed; its last action then stays.

    Args:
        path: a data set of ours, collected from an environment.

    Raises:
        InputError: another data set; when acting, a seed that it does not have.
    """

    def __init__(self, path: str | Path) -> None:
        self.path, self._source = Path(path), LeRobotSource(path)
        recipe = read_json(self.path / OWN_META).get("recipe", {}) if (self.path / OWN_META).exists() else {}
        if "seed" not in recipe:
            raise InputError(f"{path}: tells of no seed, wanted a data set that worldmodel collect made")
        self._first = int(recipe["seed"])
        # Episodes keep the number that they were collected under when others are deleted.
        self._rows = {int(entry_id): row for row, entry_id in enumerate(self._ids())}

    def _ids(self) -> list[str]:
        lines = (self.path / "meta/manifest.jsonl").read_text().splitlines()
        return [json.loads(line)["episode_id"] for line in lines]

    def reset(self, seed: int | None = None) -> None:
        number = -1 if seed is None else seed - self._first
        if number not in self._rows:
            last = self._first + max(self._rows, default=-1)
            raise InputError(f"{self.path}: no episode from seed {seed}, wanted one of {self._first} to {last}")
        self._actions, self._next = self._source[self._rows[number]].actions, 0

    def act(self, observation: Mapping[str, Any]) -> Float32[np.ndarray, "a"]:
        action = self._actions[min(self._next, len(self._actions) - 1)]
        self._next += 1
        return action
