r"""LeRobot's ACT, trained here on data sets that our model learnt from, beside our model in their environments.

    python benchmarks/act.py --data runs/table_first/data/{push,push_shaken,pick,pick_shaken} \
        --env TablePush-v0 PickPlace-v0 --steps 15000 --output outputs/act

`lerobot-train` does the training, ACT has the sizes that LeRobot gives it; its chunk is ours, ``--execute`` says how
much of a plan is carried out, and its backbone starts from nothing, as our model does. ``minutes`` tells how long each
learnt: choose ``--steps`` so that they are alike. An unfinished training goes on. Writes ``act.json`` and ACT
itself.
"""

import argparse
import json
import os
import shutil
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


def together(folders: Sequence[Path], output: Path) -> Path:
    """One data set with the episodes of all; made once."""
    if len(folders) == 1:
        return folders[0]
    if not output.exists():
        from lerobot.datasets.dataset_tools import merge_datasets  # takes seconds to load
        from lerobot.datasets.lerobot_dataset import LeRobotDataset

        partial = output.with_name(output.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        parts = [LeRobotDataset(f"local/{folder.name}", root=folder) for folder in folders]
        # Files stay as they are: to append to one of them writes it anew each time.
        apart = {"concatenate_videos": False, "concatenate_data": False}
        merge_datasets(parts, f"local/{output.name}", output_dir=partial, **apart)
        partial.rename(output)
    return output


def train(data: Path, output: Path, steps: int, extra: Sequence[str] = ()) -> tuple[Path, float]:
    """Trains ACT, or goes on; returns its folder, and the minutes that all calls took together."""
    finished = output / "checkpoints" / f"{steps:06d}" / "pretrained_model"
    clock = output.with_name("minutes.json")
    before = json.loads(clock.read_text()) if clock.exists() else 0.0
    last = output / "checkpoints/last/pretrained_model/train_config.json"
    words = [str(Path(sys.executable).with_name("lerobot-train")), f"--steps={steps}", f"--output_dir={output}"]
    if last.exists():
        words += ["--resume=true", f"--config_path={last}"]
    else:
        words += [f"--dataset.repo_id=local/{data.name}", f"--dataset.root={data}", "--policy.type=act"]
        words += [f"--policy.chunk_size={CHUNK}", f"--policy.n_action_steps={EXECUTE}", "--wandb.enable=false"]
        words += ["--policy.pretrained_backbone_weights=null", "--policy.push_to_hub=false", "--policy.device=cpu"]
        words += [f"--save_freq={max(1, steps // 6)}", "--num_workers=1", "--log_freq=200", *extra]
    begin = time.monotonic()
    try:
        if not finished.exists():
            subprocess.run(words, check=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    finally:
        minutes = before + (time.monotonic() - begin) / 60
        clock.write_text(json.dumps(minutes))
    return finished, minutes


def score(
    policy: str, execute: int | None, env_id: str, options: dict[str, Any], episodes: int, max_steps: int
) -> dict[str, Any]:
    """Plays in the true environment."""
    measures, _ = evaluate_policy(
        lambda: make_env(env_id, **options),
        batch_maker(policy, execute),
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
    table = Table("environment", "policy", "minutes of training", "success", "95 %", "mean best score", "ms per action")
    for name, row in {"ours": result["ours"], **result["peers"]}.items():
        for env_id, found in row["envs"].items():
            low, high = found["success_ci95"]
            cells = (f"{row['minutes']:.0f}", f"{found['success_rate']:.2f}", f"{low:.2f} to {high:.2f}")
            table.add_row(env_id, name, *cells, f"{found['mean_score']:.3f}", f"{found['ms_per_action']:.1f}")
    Console().print(table)


def main(argv: Sequence[str] | None = None) -> None:
    """Prints a table and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, nargs="+", help="demonstrations, of worldmodel collect")
    parser.add_argument("--env", required=True, nargs="+", help="the environments they come from")
    parser.add_argument("--size", type=int, default=64, help="side of their pictures in px")
    parser.add_argument("--checkpoint", default="table", help="ours")
    parser.add_argument("--steps", type=int, default=15000, help="of ACT's training")
    parser.add_argument("--execute", type=int, help="actions of a plan that are carried out (each its own number)")
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--max-steps", type=int, default=200)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--train", nargs="*", default=[], help="further words for lerobot-train, without dashes")
    args = parser.parse_args(argv)
    output = make_folder(args.output)
    words = [f"--{word}" for word in args.train]
    act, minutes = train(together(args.data, output / "data"), output / "act", args.steps, words)
    learnt = read_json(find(args.checkpoint)).get("training", {}).get("seconds", {})
    options, envs = {"size": args.size}, [full_id(name) for name in args.env]
    ours, theirs = (
        {env_id: score(who, args.execute, env_id, options, args.episodes, args.max_steps) for env_id in envs}
        for who in (args.checkpoint, str(act))
    )
    result = {
        "ours": {
            "envs": ours,
            "minutes": sum(learnt.values()) / 60 if isinstance(learnt, dict) else 0.0,
            "parameters": parameters(args.checkpoint),
        },
        "peers": {"lerobot act": {"envs": theirs, "minutes": minutes, "steps": args.steps}},
        "ratio": {
            "lerobot act": {
                env_id: theirs[env_id]["success_rate"] / max(1e-9, ours[env_id]["success_rate"]) for env_id in envs
            }
        },
    }
    show(result)
    write_json(output / "act.json", {"data": [str(folder) for folder in args.data], **result})


if __name__ == "__main__":
    main()
