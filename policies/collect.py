"""Lets a policy act in an environment and keeps what happens as a LeRobotDataset v3.

Episode i is seeded with ``seed + i`` and owes nothing to the episodes before it, so that an interrupted collection goes
on where it stopped and ends in the same data.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from policies.scripted import make_policy
from worldmodel.data.lerobot_writer import LeRobotWriter
from worldmodel.types import ActionDim, ActionSpec, EmbodimentSpec, Episode, InputError, Policy

LICENCE = "CC0-1.0"  # simulated by whoever collects it


def collect(
    env_id: str,
    policy: str | Callable[[gymnasium.Env], Policy],
    episodes: int,
    output: str | Path,
    *,
    seed: int = 0,
    max_steps: int | None = None,
    env_options: Mapping[str, Any] | None = None,
    licence: str = LICENCE,
    progress: bool = True,
) -> Path:
    """Records episodes until the data set holds ``episodes`` of them.

    Args:
        env_id: such as ``"worldmodel/PushT-v0"`` or ``"module:Name-v0"``; observations are a dict with ``pixels``
            (h w 3), or a dict of cameras, and perhaps ``agent_pos`` and ``text``.
        policy: ``"random"``, ``"explore"``, or a function that makes a policy for an environment.
        episodes: wanted in total; those already in ``output`` count, and those deleted from it.
        output: folder of the data set.
        seed: of the first episode; the next ones count up.
        max_steps: end an episode after so many steps; None: the environment's own limit.
        env_options: further arguments of the environment, such as ``{"size": 64}``.
        licence: SPDX id of what is recorded.
        progress: show a bar on stderr.

    Returns:
        The folder.

    Raises:
        InputError: unknown environment or policy, observations without pictures, an output that cannot be written or
            was collected otherwise.
    """
    if episodes < 1:
        raise InputError(f"episodes {episodes}, wanted at least 1")
    limit = {} if max_steps is None else {"max_episode_steps": max_steps}
    env = make_env(env_id, **{**(env_options or {}), **limit})
    try:
        actor = make_policy(policy, env) if isinstance(policy, str) else policy(env)
        first, _ = env.reset(seed=seed)
        cameras = pictures_of(env_id, first)
        height, width = next(iter(cameras.values())).shape[:2]
        name = policy if isinstance(policy, str) else getattr(policy, "__name__", type(policy).__name__)
        recipe = {"env": env_id, "options": dict(env_options or {}), "policy": name}
        recipe |= {"seed": seed, "max_steps": max_steps}
        spec = embodiment_of(env_id, env)
        writer = LeRobotWriter(output, spec.fps, spec, height, width, tuple(cameras), recipe=recipe)
        with _bar(progress) as bar:
            task = bar.add_task("collecting episodes", total=episodes, completed=min(writer.ever_written, episodes))
            for number in range(writer.ever_written, episodes):
                writer.add(record_episode(env, actor, spec, number, seed + number, env_id, licence))
                bar.update(task, completed=number + 1)
        writer.close()
    finally:
        env.close()
    return Path(output)


def record_episode(
    env: gymnasium.Env, policy: Policy, spec: EmbodimentSpec, index: int, seed: int, env_id: str, licence: str = LICENCE
) -> Episode:
    """Plays one seeded episode; ``frames[t]`` is what the policy saw before ``actions[t]``."""
    observation, _ = env.reset(seed=seed)
    policy.reset(seed)
    text = observation.get("text") or getattr(env.unwrapped, "task_description", None)
    frames: dict[str, list[np.ndarray]] = {name: [] for name in pictures_of(env_id, observation)}
    actions, state, reward, success = [], [], [], []
    terminated = truncated = False
    while not (terminated or truncated):
        for name, picture in pictures_of(env_id, observation).items():
            frames[name].append(picture.copy())  # an environment may draw into the same array again
        if spec.state_low:
            state.append(np.array(observation["agent_pos"], np.float32))
        action = np.array(policy.act(observation), np.float32).reshape(len(spec.action))
        actions.append(action)
        observation, earned, terminated, truncated, info = env.step(_as_env_action(env, action))
        reward.append(earned)
        success.append(bool(info.get("is_success", False)))
    return Episode(
        frames={name: np.stack(pictures) for name, pictures in frames.items()},
        actions=np.stack(actions),
        action_mask=np.ones(len(actions), bool),
        state=np.stack(state) if state else None,
        reward=np.array(reward, np.float32),
        success=np.array(success, bool),
        terminated=bool(terminated),
        text=str(text) if text else None,
        fps=spec.fps,
        embodiment=spec.name,
        episode_id=f"{index:06d}",
        source=env_id,
        licence=licence,
    ).validate()


def make_env(env_id: str, **options: Any) -> gymnasium.Env:
    """Makes an environment; this toolkit's own ids may come without the ``envs:`` that registers them.

    Raises:
        InputError: no such environment, or options it does not take.
    """
    full_id = f"envs:{env_id}" if env_id.startswith("worldmodel/") else env_id
    try:
        return gymnasium.make(full_id, **options)
    except (gymnasium.error.Error, ModuleNotFoundError) as error:
        raise InputError(f"environment {env_id!r} is unknown ({' '.join(str(error).split())})") from error
    except TypeError as error:
        raise InputError(f"environment {env_id!r} refuses its options {options} ({error})") from error


def pictures_of(env_id: str, observation: Any) -> dict[str, np.ndarray]:
    """Returns the cameras of an observation by name; a single one is called ``"pixels"``."""
    if not isinstance(observation, Mapping) or "pixels" not in observation:
        raise InputError(f"{env_id}: observation without 'pixels', wanted a dict that has them")
    pixels = observation["pixels"]
    return dict(pixels) if isinstance(pixels, Mapping) else {"pixels": pixels}


def embodiment_of(env_id: str, env: gymnasium.Env) -> EmbodimentSpec:
    """Returns the environment's own ``embodiment``, or one derived from its spaces.

    Raises:
        InputError: actions that are neither a finite Box nor Discrete.
    """
    if isinstance(spec := getattr(env.unwrapped, "embodiment", None), EmbodimentSpec):
        return spec
    if isinstance(env.action_space, spaces.Discrete):
        first, last = int(env.action_space.start), int(env.action_space.start + env.action_space.n) - 1
        dims = (ActionDim("action", "categorical", float(first), float(last)),)
    elif isinstance(env.action_space, spaces.Box):
        limits = zip(env.action_space.low.ravel().tolist(), env.action_space.high.ravel().tolist(), strict=True)
        dims = tuple(ActionDim(f"action_{i}", "continuous", low, high) for i, (low, high) in enumerate(limits))
    else:
        raise InputError(f"{env_id}: action space {env.action_space}, wanted Box or Discrete")
    seen = env.observation_space
    position = seen.spaces.get("agent_pos") if isinstance(seen, spaces.Dict) else None
    state_low = position.low.ravel().tolist() if isinstance(position, spaces.Box) else []
    state_high = position.high.ravel().tolist() if isinstance(position, spaces.Box) else []
    name = env_id.rsplit("/", 1)[-1].rsplit(":", 1)[-1].lower()
    return EmbodimentSpec(name, ActionSpec(dims), state_low, state_high, float(env.metadata.get("render_fps", 10)))


def _as_env_action(env: gymnasium.Env, action: np.ndarray) -> Any:
    if isinstance(env.action_space, spaces.Discrete):
        return int(action[0])
    return action.reshape(env.action_space.shape)


def _bar(shown: bool) -> Progress:
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not shown)
