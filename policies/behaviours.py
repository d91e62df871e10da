"""Who acts in a collection: one policy, or several that take turns by episode.

Names are ``random``, ``explore``, ``wander``, ``expert``, ``noisy-expert``, ``noisy-expert:0.3`` (noise in ranges of
the actions), ``replay:DATASET``, a checkpoint, or the folder of a policy that LeRobot trained;
``expert=3,noisy-expert=1`` is a mixture with weights (1 where none is given).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Float32

from policies.batch import Alone, MakeBatchPolicy, one_each
from policies.replay import ReplayPolicy
from policies.scripted import SCRIPTED, make_policy
from policies.world_action import BatchWorldActionPolicy, WorldActionPolicy, role
from worldmodel.checkpoint import find, load, shipped
from worldmodel.types import InputError, Policy

REPLAY = "replay:"


class Mixture:
    """One of several policies plays each episode, drawn by the episode's seed.

    Args:
        policies: who may play.
        weights: how often each does, relative to the others.
    """

    def __init__(self, policies: Sequence[Policy], weights: Sequence[float]) -> None:
        self._policies, self._shares = policies, np.array(weights) / sum(weights)
        self.reset()

    def reset(self, seed: int | None = None) -> None:
        self._playing = self._policies[np.random.default_rng(seed).choice(len(self._policies), p=self._shares)]
        self._playing.reset(seed)

    def act(self, observation: Mapping[str, Any]) -> Float32[np.ndarray, "a"]:
        return self._playing.act(observation)


def read_behaviours(text: str) -> dict[str, float]:
    """Reads names and weights, see the top of this file; a name that is said twice counts twice.

    Raises:
        InputError: no name, an unknown one, or a weight that is no positive number.
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, weight = part.partition("=")
        try:
            value = float(weight or 1.0)
        except ValueError:
            value = np.nan
        if not 0.0 < value < np.inf:
            raise InputError(f"policy {part!r}: weight {weight!r}, wanted a positive number")
        check_name(name)
        found[name] = found.get(name, 0.0) + value
    return found


def check_name(name: str) -> None:
    """Tells at once of a policy that nobody knows.

    Raises:
        InputError: it is neither scripted, nor a replay, nor a checkpoint, nor a policy of LeRobot's.
    """
    if name in SCRIPTED or name.startswith((REPLAY, "noisy-expert:")) or is_lerobot_policy(name):
        return
    try:
        find(name)
    except InputError as error:
        known = ", ".join((*SCRIPTED, f"{REPLAY}DATASET", *shipped()))
        raise InputError(f"policy {name!r} is unknown, wanted one of: {known}; or a checkpoint folder") from error


def make_behaviour(text: str, env: gymnasium.Env) -> Policy:
    """Makes the policy, or the mixture of policies, that a text names.

    Raises:
        InputError: see `read_behaviours`; or a policy does not fit the environment.
    """
    weights = read_behaviours(text)
    policies = [_make(name, env) for name in weights]
    return policies[0] if len(policies) == 1 else Mixture(policies, list(weights.values()))


def batch_maker(name: str, execute: int | None = None) -> MakeBatchPolicy:
    """Returns what makes the policy of a name for many environments; a learned one is loaded here, once.

    Args:
        name: of one policy, not of a mixture.
        execute: actions that a learned policy carries out per plan; its own number unless given.

    Raises:
        InputError: see `check_name`; or it cannot be loaded.
    """
    check_name(name)
    if is_scripted(name) or name.startswith(REPLAY):
        return one_each(lambda env: _make(name, env))
    if is_lerobot_policy(name):
        from policies.lerobot_policy import BatchLeRobotPolicy

        policy = BatchLeRobotPolicy(name, execute=execute)

        def with_task(envs: Sequence[gymnasium.Env]) -> BatchLeRobotPolicy:
            policy.text = getattr(envs[0].unwrapped, "task_description", None) or ""
            return policy

        return with_task
    model = load(name)
    return lambda envs: BatchWorldActionPolicy(model, execute, **role(model, envs[0]))


def is_lerobot_policy(name: str) -> bool:
    """Whether a name is the folder of a policy that LeRobot saved, and not one of our checkpoints."""
    file = Path(name) / "config.json"
    if not file.is_file():
        return False
    try:
        kind = json.loads(file.read_text()).get("type", "worldmodel")
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError):
        return False
    return kind != "worldmodel"


def is_scripted(name: str) -> bool:
    """Whether a policy is scripted."""
    return name.partition(":")[0] in SCRIPTED


def reads_true_state(name: str) -> bool:
    """Whether a policy cannot act on what it sees alone: replays, and scripted ones but ``random`` and ``idle``."""
    return name.startswith(REPLAY) or (is_scripted(name) and name not in ("random", "idle"))


def _make(name: str, env: gymnasium.Env) -> Policy:
    if name.startswith(REPLAY):
        return ReplayPolicy(name.removeprefix(REPLAY))
    if is_scripted(name):
        return make_policy(name, env)
    if is_lerobot_policy(name):
        from policies.lerobot_policy import BatchLeRobotPolicy

        return Alone(BatchLeRobotPolicy(name, getattr(env.unwrapped, "task_description", None)))
    model = load(name)
    return WorldActionPolicy(model, **role(model, env))
