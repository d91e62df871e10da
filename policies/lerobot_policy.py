"""A policy that LeRobot trained, such as ACT or Diffusion Policy, among ours. Slow to import."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lerobot.configs import PreTrainedConfig
from lerobot.envs import preprocess_observation
from lerobot.policies import get_policy_class, make_pre_post_processors

from policies.batch import Action, Observation
from worldmodel.types import InputError


class BatchLeRobotPolicy:
    """Controls many environments with one policy of LeRobot; a `policies.batch.BatchPolicy`.

    LeRobot's policies think for a fixed number of environments, so those that have finished are thought for too, from
    the last that was seen of them.

    Args:
        folder: what LeRobot's training saved as ``pretrained_model``.
        text: instruction where observations hold none.
        execute: actions that are carried out per plan; the policy's own number unless given.

    Raises:
        InputError: LeRobot cannot load it, or it does not plan so many actions.
    """

    def __init__(self, folder: str | Path, text: str | None = None, execute: int | None = None) -> None:
        self.text = text or ""
        path = str(folder)
        try:
            config = PreTrainedConfig.from_pretrained(path)
            config.device = "cpu"
            if execute is not None:
                _carry_out(config, execute, path)
            self.policy = get_policy_class(config.type).from_pretrained(path, config=config)
            self._before, self._after = make_pre_post_processors(
                config, path, preprocessor_overrides={"device_processor": {"device": "cpu"}}
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{folder}: LeRobot cannot load this policy ({reason}), wanted one that it saved"
            ) from error
        self.policy.eval()

    def reset(self, seeds: Sequence[int]) -> None:
        """Forgets the past; a policy that draws noise draws it from the first seed on."""
        torch.manual_seed(seeds[0])
        self.policy.reset()
        self._before.reset()
        self._after.reset()
        self._seen: dict[int, Observation] = {}

    @torch.no_grad()
    def act(self, observations: Mapping[int, Observation]) -> dict[int, Action]:
        self._seen |= observations
        seen = [self._seen[number] for number in sorted(self._seen)]
        batch: dict[str, Any] = dict(preprocess_observation(_stacked(seen)))
        batch["task"] = [str(observation.get("text", self.text)) for observation in seen]
        actions = self._after(self.policy.select_action(self._before(batch))).numpy()
        return {number: actions[row] for row, number in enumerate(sorted(self._seen)) if number in observations}


def _carry_out(config: Any, execute: int, path: str) -> None:
    if not hasattr(config, "n_action_steps"):
        raise InputError(f"{path}: a policy of type {config.type} plans single actions, wanted no number per plan")
    most = getattr(config, "chunk_size", getattr(config, "horizon", config.n_action_steps))
    if not 1 <= execute <= most:
        raise InputError(f"{path}: execute {execute}, wanted 1 to {most} (actions of a plan)")
    config.n_action_steps = execute


def _stacked(observations: Sequence[Observation]) -> dict[str, Any]:
    stacked: dict[str, Any] = {}
    for key, first in observations[0].items():
        if isinstance(first, Mapping):
            stacked[key] = {name: np.stack([seen[key][name] for seen in observations]) for name in first}
        elif isinstance(first, np.ndarray):
            stacked[key] = np.stack([seen[key] for seen in observations])
    return stacked
