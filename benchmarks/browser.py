"""Steps a second of ``Browser-v0``, each with a picture, beside MiniWoB++'s own environment, and long runs of tasks.

    python benchmarks/browser.py --output outputs/browser.json
    python benchmarks/browser.py --tasks 40 --steps 300 --output outputs/browser.json

Both move the pointer over the page of one task and take a picture, in turns; ratios are medians over the turns. The
package ``miniwob`` drives a browser through selenium and wants ``chromedriver`` (Debian: chromium-driver) and a
Chromium; where there is none, ours runs alone. With ``--tasks``, as many tasks, spread over the alphabet, are played
with random actions in two fresh browsers: did either hang or crash, and did both show the same?
"""

import argparse
import os
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import envs  # noqa: F401  (registers the ids)
from envs.miniwob_tasks import task_names
from worldmodel.data.screen import SCREEN
from worldmodel.output import make_folder, write_json

ENV = "worldmodel/Browser-v0"
PAGE_PX = (160, 210)
DRIVER, BROWSERS = "chromedriver", ("chromium", "google-chrome", "chromium-headless-shell")


def places(steps: int) -> np.ndarray:
    """Where the pointer goes, x and y in px (n 2)."""
    return np.random.default_rng(0).integers((0, 0), PAGE_PX, (steps, 2)).astype(np.float32)


def per_s(reset: Callable[[], object], step: Callable[[np.ndarray], bool], steps: int) -> float:
    """Steps a second; episodes that end on the way begin anew outside the time."""
    reset()
    seconds = 0.0
    for place in places(steps):
        begin = time.perf_counter()
        ended = step(place)
        seconds += time.perf_counter() - begin
        if ended:
            reset()
    return steps / seconds


def ours(env: gymnasium.Env, steps: int) -> float:
    """Our steps a second."""

    def step(place: np.ndarray) -> bool:
        action = np.zeros(len(SCREEN.action), np.float32)
        action[:2] = place
        _, _, terminated, truncated, _ = env.step(action)
        return terminated or truncated

    return per_s(lambda: env.reset(seed=0), step, steps)


def theirs(env: Any, steps: int) -> float:
    """Steps a second of MiniWoB++'s own environment."""

    def step(place: np.ndarray) -> bool:
        action = env.unwrapped.create_action("MOVE_COORDS", coords=place)
        _, _, terminated, truncated, _ = env.step(action)
        return terminated or truncated

    return per_s(lambda: env.reset(seed=0), step, steps)


def make_peer(task: str) -> gymnasium.Env | None:
    """MiniWoB++'s own environment; None without a driver and a browser for it."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which(DRIVER)
    if driver is None or browser is None:
        return None
    os.environ |= {"MINIWOB_CHROMEDRIVER": driver, "MINIWOB_CHROME_BINARY": browser}
    import miniwob  # noqa: F401  (registers its ids; logs, and takes a second)

    return gymnasium.make(f"miniwob/{task}-v1", disable_env_checker=True)


def compare(task: str, steps: int, repeats: int) -> dict[str, Any]:
    """Medians of paired turns."""
    env, peer = gymnasium.make(ENV, task=task), make_peer(task)
    rows = [(ours(env, steps), theirs(peer, steps) if peer else None) for _ in track(range(repeats), "turns")]
    for made in filter(None, (env, peer)):
        made.close()
    result = {
        "ours": {"steps_per_s": statistics.median(own for own, _ in rows), "task": task},
        "peers": {},
        "ratio": {},
    }
    pairs = [(own, other) for own, other in rows if other]
    if pairs:
        result["peers"] = {"miniwob": {"steps_per_s": statistics.median(other for _, other in pairs)}}
        result["ratio"] = {"miniwob": statistics.median(own / other for own, other in pairs)}
    return result


def play(task: str, steps: int, seed: int) -> dict[str, Any]:
    """Random actions in a fresh browser, over as many episodes as it takes; what was seen, and what went wrong."""
    env = gymnasium.make(ENV, task=task)
    env.action_space.seed(seed)
    pictures, crashes, episodes, begin = [], 0, 1, time.perf_counter()
    env.reset(seed=seed)
    for _ in range(steps):
        observation, _, terminated, truncated, info = env.step(env.action_space.sample())
        pictures.append(hash(observation["pixels"].tobytes()))
        crashes += info["crashed"]
        if terminated or truncated:
            env.reset(seed=seed + episodes)
            episodes += 1
    env.close()
    return {"pictures": pictures, "crashes": crashes, "episodes": episodes, "s": time.perf_counter() - begin}


def long_runs(count: int, steps: int) -> dict[str, Any]:
    """Plays tasks twice; per task: crashes or hangs, and pictures that were the same until the first that was not."""
    known = task_names("Browser")
    chosen = [known[at] for at in np.linspace(0, len(known) - 1, min(count, len(known))).astype(int)]
    tasks = {}
    for task in track(chosen, "tasks"):
        one, two = play(task, steps, 0), play(task, steps, 0)
        same = [a == b for a, b in zip(one["pictures"], two["pictures"], strict=True)]
        tasks[task] = {
            "crashes": one["crashes"] + two["crashes"],
            "same_pictures": same.index(False) if False in same else steps,
            "episodes": one["episodes"],
            "steps_per_s": 2 * steps / (one["s"] + two["s"]),
        }
    return {
        "steps": steps,
        "tasks": len(tasks),
        "without_crash": sum(not row["crashes"] for row in tasks.values()),
        "repeatable": sum(row["same_pictures"] == steps for row in tasks.values()),
        "by_task": tasks,
    }


def show(result: dict[str, Any]) -> None:
    """Prints tables."""
    table = Table("who", "steps/s", "ours, times as fast", title=f"{result['ours']['task']}, a picture a step")
    table.add_row("Browser-v0", f"{result['ours']['steps_per_s']:.1f}", "")
    for name, row in result["peers"].items():
        table.add_row(name, f"{row['steps_per_s']:.1f}", f"{result['ratio'][name]:.1f}")
    Console().print(table)
    if (runs := result["ours"].get("long_runs")) is None:
        return
    title = f"{runs['tasks']} tasks: {runs['without_crash']} without crash or hang, {runs['repeatable']} repeatable"
    table = Table("task", "crashes", f"same pictures of {runs['steps']}", "episodes", "steps/s", title=title)
    for task, row in runs["by_task"].items():
        values = row["crashes"], row["same_pictures"], row["episodes"], round(row["steps_per_s"], 1)
        table.add_row(task, *map(str, values))
    Console().print(table)


def main() -> None:
    """Prints tables and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="click-test", help="that both are timed on (%(default)s)")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--timed-steps", type=int, default=100, help="per turn (%(default)s)")
    parser.add_argument("--tasks", type=int, default=0, help="to be played at length (%(default)s)")
    parser.add_argument("--steps", type=int, default=300, help="of each of them (%(default)s)")
    parser.add_argument("--output")
    args = parser.parse_args()
    result = compare(args.task, args.timed_steps, args.repeats)
    if args.tasks:
        result["ours"]["long_runs"] = long_runs(args.tasks, args.steps)
    show(result)
    if args.output:
        output = Path(args.output)
        write_json(make_folder(output.parent) / output.name, result)


if __name__ == "__main__":
    main()
