"""LeRobot's ACT, trained here on a data set that our model learnt from, beside our model in the environment.

    python benchmarks/act.py --data runs/table/data/push --env TablePush-v0 --steps 15000 --output outputs/act

`lerobot-train` does the training, ACT has the sizes that LeRobot gives it; its chunk and how much of it is carried out
are ours, and its backbone starts from nothing, as our model does. ``minutes`` tells how long either side learnt:
choose ``--steps`` so that they are alike. An unfinished training goes on. Writes ``act.json`` and ACT itself.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import worldmodel
from policies.behaviours import batch_maker
from policies.evaluation import evaluate_policy
from policies.recorder import make_env
from worldmodel.checkpoint import find, read_json
from worldmodel.commands.environments import full_id
from worldmodel.output import make_folder, write_json

EXECUTE, CHUNK = 8, 16
MEASURES = ("success_rate", "success_ci95", "mean_score", "ci95", "ms_per_action", "episodes", "seed0")


def train(data: Path, output: Path, steps: int, extra: Sequence[str] = ()) -> tuple[Path, float]:
    """Trains ACT, or goes on; returns its folder, and the minutes that this call took."""
    finished = output / "checkpoints" / f"{steps:06d}" / "pretrained_model"
    begin = time.monotonic()
    last = output / "checkpoints/last/pretrained_model/train_config.json"
    words = [str(Path(sys.executable).with_name("lerobot-train")), f"--steps={steps}", f"--output_dir={output}"]
    if last.exists():
        words += ["--resume=true", f"--config_path={last}"]
    else:
        words += [f"--dataset.repo_id=local/{data.name}", f"--dataset.root={data}", "--policy.type=act"]
        words += [f"--policy.chunk_size={CHUNK}", f"--policy.n_action_steps={EXECUTE}", "--wandb.enable=false"]
        words += ["--policy.pretrained_backbone_weights=null", "--policy.push_to_hub=false", "--policy.device=cpu"]
        words += [f"--save_freq={max(1, steps // 3)}", "--num_workers=1", "--log_freq=200", *extra]
    if not finished.exists():
        subprocess.run(words, check=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    return finished, (time.monotonic() - begin) / 60


def score(policy: str, env_id: str, options: dict[str, Any], episodes: int, max_steps: int) -> dict[str, Any]:
    """Plays in the true environment."""
    measures, _ = evaluate_policy(
        lambda: make_env(env_id, **options),
        batch_maker(policy, EXECUTE),
        episodes=episodes,
        max_steps=max_steps,
        progress=True,
    )
    return {name: measures[name] for name in MEASURES}


def parameters(policy: str | Path) -> int:
    """How many weights a checkpoint of ours holds."""
    return sum(weights.numel() for weights in worldmodel.load(policy).parameters())


def show(result: dict[str, Any]) -> None:
    """Prints a table."""
    table = Table("policy", "minutes of training", "success", "95 %", "mean best score", "ms per action")
    for name, row in {"ours": result["ours"], **result["peers"]}.items():
        low, high = row["success_ci95"]
        cells = (f"{row['minutes']:.0f}", f"{row['success_rate']:.2f}", f"{low:.2f} to {high:.2f}")
        table.add_row(name, *cells, f"{row['mean_score']:.3f}", f"{row['ms_per_action']:.1f}")
    Console().print(table)


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a table and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, help="demonstrations, a data set of worldmodel collect")
    parser.add_argument("--env", required=True, help="the environment they come from")
    parser.add_argument("--size", type=int, default=64, help="side of its pictures in px")
    parser.add_argument("--checkpoint", default="table", help="ours")
    parser.add_argument("--steps", type=int, default=15000, help="of ACT's training")
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--max-steps", type=int, default=200)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--train", nargs="*", default=[], help="further words for lerobot-train, without dashes")
    args = parser.parse_args(argv)
    act, minutes = train(args.data, make_folder(args.output) / "act", args.steps, [f"--{word}" for word in args.train])
    learnt = read_json(find(args.checkpoint)).get("training", {}).get("seconds", {})
    ours = sum(learnt.values()) / 60 if isinstance(learnt, dict) else 0.0
    env_id, options = full_id(args.env), {"size": args.size}
    found = [score(str(who), env_id, options, args.episodes, args.max_steps) for who in (args.checkpoint, act)]
    result = {
        "ours": {**found[0], "minutes": ours, "parameters": parameters(args.checkpoint)},
        "peers": {"lerobot act": {**found[1], "minutes": minutes, "steps": args.steps}},
        "ratio": {"lerobot act": found[1]["success_rate"] / max(1e-9, found[0]["success_rate"])},
    }
    show(result)
    write_json(args.output / "act.json", {"env": env_id, "data": str(args.data), **result})


if __name__ == "__main__":
    main()
