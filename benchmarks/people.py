"""How often scripted people do tasks of MiniWoB++ in ``Browser-v0``, and in how many ticks of 0.1 s.

    python benchmarks/people.py --seeds 100 --output outputs/people.json
    python benchmarks/people.py --tasks click-test,use-slider --policy noisy-expert --seeds 20

Every task is done once per seed; the interval is Wilson's. The file is written anew after each task.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

import gymnasium
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import envs  # noqa: F401  (registers the ids)
from policies.people.scripted_person import SCRIPTS
from policies.scripted import make_policy
from worldmodel.metrics import wilson_ci95
from worldmodel.output import make_folder, write_json
from worldmodel.types import Policy

ENV = "worldmodel/Browser-v0"
FIRST_SEED, TIMEOUT_S = 1000, 120.0


def play(env: gymnasium.Env, policy: Policy, seed: int) -> tuple[bool, int]:
    """Plays an episode; returns whether it succeeded, and its ticks."""
    observation, _ = env.reset(seed=seed)
    policy.reset(seed)
    for ticks in range(1, 10_000):
        observation, _, terminated, truncated, info = env.step(policy.act(observation))
        if terminated or truncated:
            return bool(info["is_success"]), ticks
    raise SystemExit(f"{ENV}: an episode without end")


def measure(task: str, policy: str, seeds: range, bar: Progress) -> dict[str, Any]:
    """Plays a task from all seeds."""
    env = gymnasium.make(ENV, task=task, timeout_s=TIMEOUT_S)
    person = make_policy(policy, env)
    played = [play(env, person, seed) for seed in bar.track(seeds, description=task)]
    env.close()
    done = sum(success for success, _ in played)
    return {
        "success_rate": done / len(seeds),
        "success_ci95": wilson_ci95(done, len(seeds)),
        "mean_ticks": statistics.mean(ticks for _, ticks in played),
        "failed_seeds": [seed for seed, (success, _) in zip(seeds, played, strict=True) if not success],
    }


def show(result: dict[str, Any]) -> None:
    """Prints a table."""
    table = Table("task", "success", "95 %", "ticks", title=f"{result['policy']}, {result['seeds']} seeds")
    for task, row in result["tasks"].items():
        low, high = row["success_ci95"]
        table.add_row(task, f"{row['success_rate']:.2f}", f"{low:.2f} to {high:.2f}", f"{row['mean_ticks']:.1f}")
    Console().print(table)


def main() -> None:
    """Prints a table and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default=",".join(SCRIPTS), help="with commas between them (all that people can do)")
    parser.add_argument("--policy", default="expert", help="who acts (%(default)s)")
    parser.add_argument("--seeds", type=int, default=100, help=f"per task, from {FIRST_SEED} on (%(default)s)")
    parser.add_argument("--output")
    args = parser.parse_args()
    seeds = range(FIRST_SEED, FIRST_SEED + args.seeds)
    ours: dict[str, Any] = {"policy": args.policy, "seeds": args.seeds, "first_seed": FIRST_SEED, "tasks": {}}
    with Progress(console=Console(stderr=True)) as bar:
        for task in args.tasks.split(","):
            ours["tasks"][task] = measure(task, args.policy, seeds, bar)
            if args.output:
                output = Path(args.output)
                write_json(make_folder(output.parent) / output.name, {"ours": ours, "peers": {}, "ratio": {}})
    show(ours)


if __name__ == "__main__":
    main()
