"""Steps a second of ``Dream-v0`` with 16 environments, beside the same scene drawn by MuJoCo, and how its cost grows.

    python benchmarks/dream.py --output outputs/dream.json

Random actions in TablePush at the checkpoint's picture size. The peers are the scene with the render settings that
MuJoCo starts with (a shadow map of 4096 px), single and as a vector environment of as many, and the scene with our own
settings, which skip what software OpenGL pays most for. All may use ``--threads`` threads, for matrices or for OpenGL.
They take turns, and ratios are medians over the turns. Then an episode of 1,000 steps: milliseconds of its first and
last hundred, and memory after each. The shape of configs/table.yaml with random weights dreams where no checkpoint
``table`` is shipped.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import VectorEnv
from rich.console import Console
from rich.progress import track
from rich.table import Table

import envs  # noqa: F401  (registers the ids, chooses how MuJoCo draws)
import worldmodel
from benchmarks.scenes import as_default_settings
from worldmodel.checkpoint import shipped
from worldmodel.config import load_config
from worldmodel.data.embodiments import GRIPPER, PUSHT
from worldmodel.models.world_model import WorldModel
from worldmodel.output import make_folder, write_json

CHECKPOINT, SHAPE, SCENE = "table", "configs/table.yaml", "worldmodel/TablePush-v0"
AT_ENDS = 100  # steps that count as the first and the last ones
MIB = 2**20


def load_model(checkpoint: str, engine: str) -> tuple[WorldModel, str]:
    """The model, and whose weights it has."""
    if checkpoint == CHECKPOINT and CHECKPOINT not in shipped():
        torch.manual_seed(0)
        model = WorldModel(load_config(SHAPE).model, [GRIPPER, PUSHT]).eval().requires_grad_(False)
        model.use_engine(engine)
        return model, f"random, shape of {SHAPE}"
    return worldmodel.load(checkpoint, engine=engine), checkpoint


def make_dreams(model: WorldModel, count: int, max_steps: int) -> VectorEnv:
    """Dreams of the scene."""
    options = {"checkpoint": model, "embodiment": GRIPPER.name, "env": SCENE, "max_steps": max_steps}
    return gymnasium.make_vec("worldmodel/Dream-v0", num_envs=count, **options)


def make_scenes(size: int, count: int, *, default: bool) -> VectorEnv:
    """The scene itself, ``count`` times, perhaps with MuJoCo's own render settings."""
    scenes = gymnasium.make_vec(SCENE, num_envs=count, vectorization_mode="sync", size=size)
    if default:
        for env in scenes.unwrapped.envs:  # pyright: ignore[reportAttributeAccessIssue]
            as_default_settings(env.get_wrapper_attr("model"))
    return scenes


def running(env: VectorEnv) -> Callable[[], object]:
    """Lets an environment begin; returns what carries out a step."""
    env.reset(seed=0)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(AT_ENDS)]
    turn = iter(range(2**62))

    def step() -> object:
        return env.step(actions[next(turn) % AT_ENDS])

    step()
    return step


def per_s(step: Callable[[], object], count: int, steps: int) -> float:
    """Steps a second of all ``count`` environments together."""
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    return count * steps / (time.perf_counter() - begin)


def compare(model: WorldModel, count: int, steps: int, default_steps: int, repeats: int) -> dict[str, Any]:
    """Medians of paired turns, and the ratio of ours to each of the others."""
    size = model.frame_size[0]
    worlds = {
        "dream": (make_dreams(model, count, 300), count, steps),
        "mujoco_default": (make_scenes(size, 1, default=True), 1, default_steps),
        f"mujoco_default_{count}_envs": (make_scenes(size, count, default=True), count, max(default_steps // count, 1)),
        "our_settings": (make_scenes(size, 1, default=False), 1, steps),
    }
    steppers = {name: (running(env), many, turns) for name, (env, many, turns) in worlds.items()}
    rows = [
        {name: per_s(step, many, turns) for name, (step, many, turns) in steppers.items()}
        for _ in track(range(repeats), "turns")
    ]
    for env, *_ in worlds.values():
        env.close()
    peers = [name for name in worlds if name != "dream"]
    return {
        "ours": {"steps_per_s": statistics.median(row["dream"] for row in rows), "envs": count, "size_px": size},
        "peers": {name: {"steps_per_s": statistics.median(row[name] for row in rows)} for name in peers},
        "ratio": {name: statistics.median(row["dream"] / row[name] for row in rows) for name in peers},
    }


def growth(model: WorldModel, count: int, steps: int) -> dict[str, float]:
    """Cost of the first and of the last hundred steps of long episodes."""
    step = running(make_dreams(model, count, steps + 2))
    times, resident = [], []
    for number in track(range(steps), "a long episode"):
        begin = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - begin))
        if number in (AT_ENDS - 1, steps - 1):
            resident.append(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB)
    first, last = np.median(times[:AT_ENDS]), np.median(times[-AT_ENDS:])
    return {
        "steps": steps,
        "ms_per_step_first_100": float(first),
        "ms_per_step_last_100": float(last),
        "times_as_slow": float(last / first),
        "memory_mib_after_100": resident[0],
        "memory_mib_at_the_end": resident[-1],
    }


def show(result: dict[str, Any]) -> None:
    """Prints two tables."""
    table = Table("who", "steps/s", "ours, times as fast", title=f"{result['ours']['envs']} dreams")
    table.add_row("dream", f"{result['ours']['steps_per_s']:.1f}", "")
    for name, row in result["peers"].items():
        table.add_row(name, f"{row['steps_per_s']:.1f}", f"{result['ratio'][name]:.2f}")
    Console().print(table)
    table = Table("", "value", title="a long episode")
    for name, value in result["ours"]["growth"].items():
        table.add_row(name.replace("_", " "), f"{value:.2f}")
    Console().print(table)


def main() -> None:
    """Prints tables and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default=CHECKPOINT, help="that knows the gripper (%(default)s)")
    parser.add_argument("--engine", default="eager", help="see worldmodel.models.engine (%(default)s)")
    parser.add_argument("--envs", type=int, default=16)
    parser.add_argument("--steps", type=int, default=20, help="per turn")
    parser.add_argument("--default-steps", type=int, default=16, help="per turn with MuJoCo's default settings")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--long", type=int, default=1000, help="steps of the long episode")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    os.environ["LP_NUM_THREADS"] = str(args.threads)
    model, weights = load_model(args.checkpoint, args.engine)
    result = compare(model, args.envs, args.steps, args.default_steps, args.repeats)
    result["ours"] |= {"weights": weights, "engine": args.engine, "growth": growth(model, args.envs, args.long)}
    show(result)
    if args.output:
        output = Path(args.output)
        write_json(make_folder(output.parent) / output.name, {**result, "threads": args.threads})


if __name__ == "__main__":
    main()
