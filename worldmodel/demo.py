"""The demonstration: one model acts in the real Push-T while it dreams what its own actions will lead to.

Composition root: environments and policies are imported inside `run_demo`, so that the package itself needs neither.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Float32, UInt8
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from worldmodel.data.frames import resize_frames
from worldmodel.metrics import FrameError, changed_mask
from worldmodel.models.frame_tokenizer import covering
from worldmodel.output import make_folder, write_json
from worldmodel.panels import DIFFERENCE_GAIN, beside, difference, enlargement
from worldmodel.rollout import Dreamer
from worldmodel.types import InputError, Policy
from worldmodel.video_io import write_gif, write_mp4

CONTEXT_FRAMES = 4  # rounded up to what the model's latents can span
OPEN_LOOP_STEPS = 16
ANNOUNCED_STEPS = 4  # so long the picture says that the dream has just seen reality again
DEFAULT_SEED = 1000


@dataclass
class Take:
    """What happened in the real environment: one frame more than actions.

    Attributes:
        frames: at the model's size.
        actions: in their own units.
        rewards: earned by the actions.
        success: the goal was reached.
        act_s: seconds that the policy took altogether.
    """

    frames: UInt8[np.ndarray, "t h w 3"]
    actions: Float32[np.ndarray, "t-1 a"]
    rewards: list[float]
    success: bool
    act_s: float


def run_demo(
    output: str | Path, checkpoint: str = "pusht", *, steps: int = 150, seed: int = DEFAULT_SEED, progress: bool = True
) -> dict[str, Any]:
    """Loads a checkpoint, lets it act in the real Push-T and dream along; writes films and metrics, prints a table.

    Args:
        output: folder for ``demo.mp4``, ``demo.gif`` and ``metrics.json``, made if absent.
        checkpoint: name, folder or Hub id.
        steps: actions at most.
        seed: of the environment, the plans and the dreams.
        progress: show a progress bar and the table.

    Returns:
        What metrics.json holds.
    """
    from policies.world_action import WorldActionPolicy
    from worldmodel.checkpoint import load

    folder = make_folder(output)
    model = load(checkpoint)
    env = gymnasium.make("envs:worldmodel/PushT-v0", size=model.frame_size[0])
    return perform(model, env, WorldActionPolicy(model), folder, steps=steps, seed=seed, progress=progress)


def perform(
    model: Dreamer, env: gymnasium.Env, policy: Policy, folder: Path, *, steps: int, seed: int, progress: bool = False
) -> dict[str, Any]:
    """Acts, dreams, and writes films and measures; closes the environment."""
    started = time.perf_counter()
    with Progress(disable=not progress) as bar:
        take = _act(model, env, policy, steps, seed, bar)
        task = bar.add_task("dreaming", total=2)
        dream_started = time.perf_counter()
        dreamed = follow(model, take, seed)
        dream_s = time.perf_counter() - dream_started
        bar.advance(task)
        film = _film(take, dreamed, type(env.unwrapped).__name__)
        fps = float(env.metadata.get("render_fps", 10))
        write_mp4(folder / "demo.mp4", film, fps)
        write_gif(folder / "demo.gif", film, fps)
        bar.advance(task)
    metrics = _measure(take, dreamed) | {
        "rollout": {"frames_per_s": len(dreamed) / dream_s, "open_loop_steps": OPEN_LOOP_STEPS},
        "seed": seed,
        "seconds": time.perf_counter() - started,
    }
    write_json(folder / "metrics.json", metrics)
    if progress:
        Console().print(_table(metrics, folder))
    return metrics


def _act(model: Dreamer, env: gymnasium.Env, policy: Policy, steps: int, seed: int, bar: Progress) -> Take:
    task = bar.add_task("acting", total=steps)
    try:
        observation, _ = env.reset(seed=seed)
        policy.reset(seed)
        frames, actions, rewards, success, act_s = [observation["pixels"]], [], [], False, 0.0
        for _ in range(steps):
            started = time.perf_counter()
            action = policy.act(observation)
            act_s += time.perf_counter() - started
            observation, reward, terminated, truncated, info = env.step(action)
            frames.append(observation["pixels"])
            actions.append(action)
            rewards.append(float(reward))
            success |= bool(info.get("is_success", False))
            bar.advance(task)
            if terminated or truncated:
                break
        bar.update(task, total=len(actions))
    finally:
        env.close()
    if len(frames) <= (context := covering(CONTEXT_FRAMES, model.frames_per_latent)):
        raise InputError(f"demo: {len(frames)} frames, wanted more than {context}: more steps or another seed")
    return Take(resize_frames(np.stack(frames), *model.frame_size), np.stack(actions), rewards, success, act_s)


def follow(model: Dreamer, take: Take, seed: int) -> UInt8[np.ndarray, "k h w 3"]:
    """Dreams all frames after the first `CONTEXT_FRAMES` (rounded up) from the actions alone.

    Every `OPEN_LOOP_STEPS` steps the dream is anchored anew: it starts from the last real frames and sees none until
    the next anchor.
    """
    context = covering(CONTEXT_FRAMES, model.frames_per_latent)
    count = len(take.frames) - context
    starts = range(0, count, OPEN_LOOP_STEPS)
    # All stretches at once; the last may be shorter than the others, whose length its last action fills.
    padding = np.repeat(take.actions[-1:], OPEN_LOOP_STEPS, axis=0)
    actions = np.concatenate((take.actions, padding))
    future = context - 1
    dreamed = model.imagine(
        np.stack([take.frames[start : start + context] for start in starts]),
        np.stack([actions[start + future : start + future + OPEN_LOOP_STEPS] for start in starts]),
        context_actions=np.stack([actions[start : start + future] for start in starts]),
        seed=seed,
    )
    return np.concatenate(list(dreamed))[:count]


def _film(take: Take, dreamed: UInt8[np.ndarray, "k h w 3"], world: str) -> UInt8[np.ndarray, "t height width 3"]:
    factor = enlargement(take.frames.shape[2])
    title = f"{world}: one model acts and dreams"
    sheets = []
    for index, real in enumerate(take.frames):
        step = index - (len(take.frames) - len(dreamed))
        dream = dreamed[step] if step >= 0 else real
        best, now = max(take.rewards[:index], default=0.0), take.rewards[index - 1] if index else 0.0
        columns = (
            (f"real, step {index}", real),
            (_dream_label(step), dream),
            (f"difference x{DIFFERENCE_GAIN}", difference(real, dream)),
        )
        sheets.append(beside(columns, title=title, note=f"score {now:.2f}, best {best:.2f}", factor=factor))
    return np.stack(sheets)


def _dream_label(step: int) -> str:
    if step < 0:
        return "dream: shown the real start"
    since = step % OPEN_LOOP_STEPS
    if step >= OPEN_LOOP_STEPS and since < ANNOUNCED_STEPS:
        return f"dream, re-anchored: {since + 1}/{OPEN_LOOP_STEPS}"
    return f"dream, open loop: {since + 1}/{OPEN_LOOP_STEPS}"


def _measure(take: Take, dreamed: UInt8[np.ndarray, "k h w 3"]) -> dict[str, Any]:
    context = len(take.frames) - len(dreamed)
    true = take.frames[context:, None]
    # Every dreamed frame is compared with the last real one that its stretch has seen.
    anchors = context - 1 + np.arange(len(dreamed)) // OPEN_LOOP_STEPS * OPEN_LOOP_STEPS
    last = take.frames[anchors]
    changed = changed_mask(true, last)
    dream, copy_last = FrameError(1), FrameError(1)
    dream.add(true, dreamed[:, None], changed)
    copy_last.add(true, last[:, None], changed)
    return {
        "policy": {
            "score": max(take.rewards),
            "success": take.success,
            "steps": len(take.rewards),
            "ms_per_action": 1000.0 * take.act_s / len(take.rewards),
        },
        "frames": {
            "psnr_db": dream.psnr_db,
            "changed_psnr_db": dream.changed_psnr_db,
            "copy_last": {"psnr_db": copy_last.psnr_db, "changed_psnr_db": copy_last.changed_psnr_db},
        },
    }


def _table(metrics: Mapping[str, Any], folder: Path) -> Table:
    policy, frames, speed = metrics["policy"], metrics["frames"], metrics["rollout"]
    title = f"seed {metrics['seed']}: {policy['steps']} actions in {metrics['seconds']:.0f} s"
    table = Table(title=title, title_justify="left")
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_column("beside")
    reached = "goal reached" if policy["success"] else "goal not reached"
    table.add_row("best score in the real environment", f"{policy['score']:.2f}", reached)
    copying = f"copying the last real frame: {_db(frames['copy_last']['changed_psnr_db'])}"
    table.add_row(f"dream, changed pixels, {OPEN_LOOP_STEPS} open-loop steps", _db(frames["changed_psnr_db"]), copying)
    table.add_row("acting", f"{policy['ms_per_action']:.0f} ms", "per action")
    table.add_row("dreaming", f"{speed['frames_per_s']:.0f} frames/s", "")
    table.add_row("films", "mp4, gif", str(folder))
    return table


def _db(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.1f} dB"
