"""How long the shipped policy thinks, beside LeRobot's `diffusion` and `act`, and what imagining the future buys.

    python benchmarks/policy.py --output outputs/policy.json

A chunk of actions is asked for one observation at a time, the frames of 64 px that lead up to it and the state, on two
threads; everyone is timed in turn. Of ours all frames are new, as they are after so many actions. LeRobot's policies
have random weights, and sizes and steps of their own (`diffusion` also 10 DDIM steps instead of 100), ours the
checkpoint's. Then ours plays Push-T: ``off`` plans actions only, ``on`` dreams the frames that they lead to with them.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.act.modeling_act import ACTPolicy
from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
from lerobot.policies.diffusion.modeling_diffusion import DiffusionPolicy
from rich.console import Console
from rich.progress import track
from rich.table import Table

import envs  # noqa: F401  (registers the ids)
import worldmodel
from policies.evaluation import evaluate_policy
from policies.world_action import BatchWorldActionPolicy
from worldmodel.models.world_model import WorldModel
from worldmodel.output import make_folder, write_json

SIZE = 64
SLOW_S, SLOW_TURNS = 3.0, 3
Chunk = Callable[[], object]


def lerobot_policies() -> dict[str, tuple[Chunk, int, int]]:
    """Of each: the call, actions that it carries out before it is asked again, parameters."""
    inputs = {
        "observation.image": PolicyFeature(FeatureType.VISUAL, (3, SIZE, SIZE)),
        "observation.state": PolicyFeature(FeatureType.STATE, (2,)),
    }
    features: dict[str, Any] = {"input_features": inputs, "device": "cpu", "pretrained_backbone_weights": None}
    features["output_features"] = {"action": PolicyFeature(FeatureType.ACTION, (2,))}
    noise: dict[str, Any] = {"noise_scheduler_type": "DDIM", "num_inference_steps": 10}
    made = {
        "lerobot diffusion": DiffusionPolicy(DiffusionConfig(use_group_norm=True, **features)),
        "lerobot diffusion, 10 DDIM steps": DiffusionPolicy(DiffusionConfig(use_group_norm=True, **features, **noise)),
        "lerobot act": ACTPolicy(ACTConfig(**features)),
    }
    result = {}
    for name, policy in made.items():
        policy.eval()
        lead = (1, policy.config.n_obs_steps) if isinstance(policy, DiffusionPolicy) else (1,)
        batch = {"observation.image": torch.rand(*lead, 3, SIZE, SIZE), "observation.state": torch.rand(*lead, 2)}
        count = sum(p.numel() for p in policy.parameters())
        result[name] = (lambda p=policy, b=batch: p.predict_action_chunk(dict(b)), policy.config.n_action_steps, count)
    return result


def our_policy(model: WorldModel, execute: int) -> dict[str, tuple[Chunk, int, int]]:
    """The same of ours, without and with imagination."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (1, model.context_frames, *model.frame_size, 3), np.uint8)
    state = np.full((1, 2), 256.0, np.float32)
    count = sum(p.numel() for p in model.parameters())
    return {
        "ours": (lambda: model.act(frames, state), execute, count),
        "ours, imagining": (lambda: model.imagine_joint(frames, execute), execute, count),
    }


def measure(calls: dict[str, tuple[Chunk, int, int]], repeats: int) -> dict[str, dict[str, float]]:
    """Latency of a chunk in milliseconds, and rates; who needs more than ``SLOW_S`` takes part in few turns only."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    paired: dict[str, list[float]] = {name: [] for name in calls}
    slow: set[str] = set()
    for turn in track(range(repeats + 1), "thinking"):
        taken = {}
        for name in [name for name in calls if turn <= SLOW_TURNS or name not in slow]:
            begin = time.perf_counter()
            calls[name][0]()
            taken[name] = 1e3 * (time.perf_counter() - begin)
        if turn == 0:  # warms caches up
            slow = {name for name, milliseconds in taken.items() if milliseconds > 1e3 * SLOW_S}
            continue
        for name, milliseconds in taken.items():
            times[name].append(milliseconds)
            paired[name].append(milliseconds / taken["ours"])
    result = {}
    for name, (_, execute, parameters) in calls.items():
        p50, p95 = np.percentile(times[name], (50, 95))
        rates = {"chunks_per_s": 1e3 / p50, "actions_per_s": execute * 1e3 / p50}
        ratio = statistics.median(paired[name])
        result[name] = {"parameters": parameters, "p50_ms": p50, "p95_ms": p95, **rates, "times_ours": ratio}
    return result


def play(model: WorldModel, execute: int, episodes: int) -> dict[str, Any]:
    """Scores in Push-T, imagination off and on."""
    result = {}
    for name, imagine in (("off", False), ("on", True)):
        metrics, _ = evaluate_policy(
            lambda: gymnasium.make("worldmodel/PushT-v0", size=SIZE),
            lambda _, imagine=imagine: BatchWorldActionPolicy(model, execute, imagine=imagine),
            episodes=episodes,
            seed0=1000,
            progress=True,
        )
        result[name] = {
            key: metrics[key] for key in ("mean_score", "ci95", "success_rate", "ms_per_action", "parallel")
        }
    return result


def by_who(latency: dict[str, dict[str, float]], scores: dict[str, Any]) -> dict[str, Any]:
    """The same, sorted by whom it is about; a ratio is a policy's latency over ours."""
    ours = {name: row for name, row in latency.items() if name.startswith("ours")}
    peers = {name: row for name, row in latency.items() if name not in ours}
    ratio = {name: row["times_ours"] for name, row in peers.items()}
    return {"ours": {"latency": ours, "play": scores}, "peers": peers, "ratio": ratio}


def show(latency: dict[str, dict[str, float]], scores: dict[str, Any]) -> None:
    """Prints two tables."""
    table = Table("policy", "M parameters", "chunk p50, ms", "p95, ms", "actions/s", "chunks/s", "x ours")
    for name, row in latency.items():
        cells = [row["parameters"] / 1e6, *(row[key] for key in ("p50_ms", "p95_ms", "actions_per_s", "chunks_per_s"))]
        table.add_row(name, *(f"{cell:.1f}" for cell in cells), f"{row['times_ours']:.2f}")
    Console().print(table)
    table = Table("imagination", "mean best score", "95 %", "ms per action")
    for name, row in scores.items():
        low, high = row["ci95"]
        table.add_row(name, f"{row['mean_score']:.3f}", f"{low:.3f} to {high:.3f}", f"{row['ms_per_action']:.1f}")
    Console().print(table)


def main() -> None:
    """Prints tables and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="pusht")
    parser.add_argument("--execute", type=int, default=8, help="actions of a chunk that are carried out")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--episodes", type=int, default=50)
    parser.add_argument("--output")
    args = parser.parse_args()
    torch.set_num_threads(2)
    model = worldmodel.load(args.checkpoint)
    small = worldmodel.load(args.checkpoint, engine="int8")
    ours = our_policy(model, args.execute)
    int8 = (our_policy(small, args.execute)["ours"][0], *ours["ours"][1:])
    everyone = {**ours, "ours, int8": int8, **lerobot_policies()}
    latency = measure(everyone, args.repeats)
    scores = play(model, args.execute, args.episodes)
    show(latency, scores)
    if args.output:
        output = Path(args.output)
        write_json(make_folder(output.parent) / output.name, by_who(latency, scores))


if __name__ == "__main__":
    main()
