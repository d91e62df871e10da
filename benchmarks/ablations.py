"""Short controlled trials: one change at a time, same recordings, same tokenizer, same number of clips, same seed.

    worldmodel run configs/pusht.yaml                                 # or at least its tokenizer stage
    python benchmarks/ablations.py --run runs/pusht --output outputs/ablations [--only history_0 ...]

Every trial trains a fresh backbone on the run's latents for the same number of frames and dreams held-out windows; the
table is printed and written to ``ablations.json`` after each. What is there is not repeated, so the command goes on
where it was interrupted. Other words are overrides as for ``worldmodel run``; with ``--init CHECKPOINT`` all trials
begin with its weights, apart from the heads that tell of actions.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from worldmodel import checkpoint
from worldmodel.commands.recipe_parts import HeldOut, collect
from worldmodel.config import RecipeConfig, load_config
from worldmodel.evaluate import evaluate_dream
from worldmodel.models.backbone import Backbone
from worldmodel.output import write_json
from worldmodel.recipe import build_model, open_recordings, train_stage
from worldmodel.screen.measures import evaluate_screen, is_screen

# Every trial starts from these; a quarter of its steps trains on acting.
BASE = (
    "--model.objective.own_history 0 --stages.midtrain.steps 300 --stages.midtrain.act_share 0.25 "
    "--stages.midtrain.ema 0.99 --stages.midtrain.validate_every 300 --stages.midtrain.save_every 100 "
    "--stages.pretrain.steps 600 --stages.pretrain.validate_every 600 --stages.pretrain.ema 0.99"
)
TRIALS = {
    "base": "",
    "history_0": "--model.backbone.history 0",
    "history_1": "--model.backbone.history 1",
    "no_relative_points": "--model.backbone.relative_points false",
    "no_fourier": "--model.backbone.fourier_bands 0",
    "time_over_all": "--model.backbone.time_attention all",
    "patch_1": "--model.backbone.patch 1",
    "patch_4": "--model.backbone.patch 4",
    "own_history": "--model.objective.own_history 0.5",
    "no_context_noise": "--model.objective.context_noise 0",
    "no_pure_noise": "--model.objective.noise_share 0",
    "no_changed_weight": "--model.objective.changed_weight 1",
    "no_skip": "--model.objective.skip_variance 0",
    "adamw": "--stages.midtrain.optimizer adamw --stages.midtrain.learning_rate 1.0e-3",
    "muon_rate_halved": "--stages.midtrain.learning_rate 1.0e-3",
    "muon_rate_doubled": "--stages.midtrain.learning_rate 4.0e-3",
    "window_4_batch_32": "--stages.midtrain.window 4 --stages.midtrain.batch 32",
    "window_16_batch_8": "--stages.midtrain.window 16 --stages.midtrain.batch 8 --model.backbone.window 16",
    "wide_256_layers_4": "--model.backbone.width 256 --model.backbone.layers 4",
    "narrow_128_layers_16": "--model.backbone.width 128 --model.backbone.layers 16",
    "small_128_layers_8": "--model.backbone.width 128",
    "classes": "--model.backbone.discrete classes",  # for bodies with categorical actions: those before a screen
}
# These train a tokenizer of their own for a short while; as many tokens per frame in both.
TOKENIZER = "--stages.tokenizer.steps 700 --stages.tokenizer.validate_every 700 --stages.tokenizer.decoder_share 0"
TOKENIZERS = {
    "tokenizer_8x": TOKENIZER,
    "tokenizer_4x": f"{TOKENIZER} --model.tokenizer.downsample 4 --model.backbone.patch 4",
}
# Does watching first help who sees few actions? Only demonstrations; the others' actions are hidden everywhere.
VIDEO_FIRST = (
    "--stages.pretrain.mixture {human: 1.0} --stages.midtrain.mixture {human: 1.0} "
    "--stages.midtrain.act_mixture {human: 1.0} --stages.midtrain.steps 300"
)
LABELS = {
    "labels_10": "--datasets.human.labelled 0.1",
    "labels_10_video_first": "--datasets.human.labelled 0.1",
    "labels_100": "",
    "labels_100_video_first": "",
}


def words(text: str) -> list[str]:
    """Splits overrides at their keys, so that values may hold spaces."""
    parts = [part.split(" ", 1) for part in f" {text}".split(" --")[1:]]
    return [word for key, value in parts for word in (f"--{key}", value.strip())]


def trial_config(name: str, path: str, run: Path, overrides: list[str]) -> RecipeConfig:
    """The configuration of a trial, on the recordings of a run; ``overrides`` hold for all trials."""
    special = f"{VIDEO_FIRST} {LABELS[name]}" if name in LABELS else {**TRIALS, **TOKENIZERS}[name]
    config = load_config(path, [*words(f"{BASE} {special}"), *overrides, "--output", str(run)])
    keep = ("tokenizer", "pretrain", "midtrain") if name.endswith("video_first") else ("tokenizer", "midtrain")
    return replace(config, stages={stage: config.stages[stage] for stage in keep})


def forget_actions(backbone: Backbone) -> None:
    """Lets heads of actions start from 0, as in a fresh model: those of classes have nothing to go on from."""
    for head in (backbone.action_out, backbone.chunk_out):
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.zeros_(head.bias)


def run_trial(config: RecipeConfig, run: Path, folder: Path, windows: int, own_tokenizer: bool) -> dict[str, Any]:
    """Trains and scores one trial, on the tokenizer of the run or on one of its own."""
    recordings = open_recordings(config, run, collect)
    model = build_model(config, [r.spec for r in recordings])
    if config.init is not None:
        forget_actions(model.backbone)
    if not own_tokenizer:
        model.tokenizer.load_state_dict(checkpoint.load(run / "tokenizer/checkpoint").tokenizer.state_dict())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cache").unlink(missing_ok=True)
    (folder / "cache").symlink_to((run / "cache").resolve())
    begin = time.perf_counter()
    for name in list(config.stages)[0 if own_tokenizer else 1 :]:
        train_stage(model, config, name, config.stages[name], recordings, folder)
    result: dict[str, Any] = {"minutes": round((time.perf_counter() - begin) / 60, 1)}
    result["parameters"] = sum(p.numel() for p in model.backbone.parameters())
    model.eval().requires_grad_(False)
    for name, dataset in config.datasets.items():
        source = HeldOut(dataset, name, run)
        metrics, _ = evaluate_dream(model, source, max_windows=windows, camera=dataset.camera)
        frames = metrics["frames"]
        result[name] = {
            "ceiling_db": frames["ceiling"]["changed_psnr_db"],
            "gain_db": frames["changed_psnr_db"] - frames["copy_last"]["changed_psnr_db"],
            "last_step_db": frames["by_horizon"]["changed_psnr_db"][-1],
            "shuffle_ratio": metrics["control"]["shuffle_ratio"],
            "inverse_r2": metrics["actions"]["inverse_r2"],
            "inverse_r2_dream": metrics["control"]["inverse_r2_dream"],
        }
        if is_screen(source.embodiments[0]):
            events = evaluate_screen(model, source, max_windows=windows, camera=dataset.camera)["events"]
            result[name] |= {f"{event}_f1": events[event]["f1"] for event in ("left", "key")}
    return result


def show(results: dict[str, Any]) -> Table:
    """All trials so far, side by side."""
    sets = [key for key, value in next(iter(results.values())).items() if isinstance(value, dict)]
    table = Table("trial", "minutes", *(f"{name}: {measure}" for name in sets for measure in results["base"][name]))
    for name, result in results.items():
        measured = [value for dataset in sets for value in result[dataset].values()]
        values = ["-" if value is None else f"{value:.2f}" for value in measured]
        table.add_row(name, f"{result['minutes']:.1f}", *values)
    return table


def main() -> None:
    """Runs what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [*TRIALS, *TOKENIZERS, *LABELS]
    parser.add_argument("--config", default="configs/pusht.yaml")
    parser.add_argument("--run", type=Path, required=True, help="folder of a run whose tokenizer stage is finished")
    parser.add_argument("--output", type=Path, default=Path("outputs/ablations"))
    parser.add_argument("--only", nargs="+", default=names, choices=names)
    parser.add_argument("--windows", type=int, default=48)
    args, overrides = parser.parse_known_args()
    path = args.output / "ablations.json"
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for name in dict.fromkeys(["base", *args.only]):
        if name in results:
            continue
        torch.manual_seed(0)
        Console().print(f"[bold]{name}[/]")
        config = trial_config(name, args.config, args.run, overrides)
        results[name] = run_trial(config, args.run, args.output / name, args.windows, name in TOKENIZERS)
        args.output.mkdir(parents=True, exist_ok=True)
        write_json(path, results)
        Console(width=200).print(show(results))


if __name__ == "__main__":
    main()
