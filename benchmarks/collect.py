"""What a second process gains when episodes are collected: ``worldmodel collect`` with two workers, beside one.

    python benchmarks/collect.py --output outputs/collect.json

The program runs as a person would start it, imports included, in turns with one and with two workers. ``start_s``:
until the first episode is on disk. ``episodes_per_s``: from there on. ``seconds``: all of it. Ratios above 1 are in
favour of two workers; medians over the turns.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from worldmodel.output import make_folder, write_json

PROGRAM = "from worldmodel.cli import main; raise SystemExit(main())"
LOOK_S = 0.02
HIGHER_IS_BETTER = {"seconds": False, "start_s": False, "episodes_per_s": True}


def words_of(env: str, policy: str, episodes: int, workers: int, output: Path) -> list[str]:
    """What a person would type after ``worldmodel``."""
    options = {"env": env, "policy": policy, "episodes": episodes, "workers": workers, "output": output}
    return ["collect", *(word for name, value in options.items() for word in (f"--{name}", str(value)))]


def collect(env: str, policy: str, episodes: int, workers: int) -> dict[str, float]:
    """Times a collection from nothing."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "set"
        begin = time.perf_counter()
        command = [sys.executable, "-c", PROGRAM, *words_of(env, policy, episodes, workers, output)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and not (output / "meta/info.json").exists():
                time.sleep(LOOK_S)
            first = time.perf_counter() - begin
        if process.returncode:
            raise SystemExit(f"collect failed: {' '.join(command[3:])}")
        seconds = time.perf_counter() - begin
    return {"seconds": seconds, "start_s": first, "episodes_per_s": (episodes - 1) / (seconds - first)}


def compare(env: str, policy: str, episodes: int, repeats: int) -> dict[str, Any]:
    """Medians of paired runs."""
    turns = [[collect(env, policy, episodes, workers) for workers in (1, 2)] for _ in track(range(repeats), "turns")]
    one, two = ({name: statistics.median(turn[who][name] for turn in turns) for name in turns[0][0]} for who in (0, 1))
    ratio = {
        name: statistics.median((b[name] / a[name]) if higher else (a[name] / b[name]) for a, b in turns)
        for name, higher in HIGHER_IS_BETTER.items()
    }
    return {
        "ours": {"two_workers": {**two, "episodes": episodes, "env": env}},
        "peers": {"one_worker": one},
        "ratio": {"one_worker": ratio},
    }


def show(result: dict[str, Any]) -> None:
    """Prints a table."""
    table = Table("", "one worker", "two workers", "better by", title="worldmodel collect")
    for name, ratio in result["ratio"]["one_worker"].items():
        values = result["peers"]["one_worker"][name], result["ours"]["two_workers"][name], ratio
        table.add_row(name.replace("_", " "), *(f"{value:.2f}" for value in values))
    Console().print(table)


def main() -> None:
    """Prints a table and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="TablePush-v0")
    parser.add_argument("--policy", default="expert")
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output")
    args = parser.parse_args()
    result = compare(args.env, args.policy, args.episodes, args.repeats)
    show(result)
    if args.output:
        output = Path(args.output)
        write_json(make_folder(output.parent) / output.name, result)


if __name__ == "__main__":
    main()
