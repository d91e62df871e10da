"""Quality against denoising steps per frame, of one checkpoint or several, as a table, JSON and a picture.

    python benchmarks/steps.py --run runs/pusht --checkpoints runs/pusht/finetune/checkpoint runs/pusht/checkpoint \
        --output outputs/steps

Open-loop dreams of the run's held-out episodes: how much better changed pixels are than in a copy of the last frame,
how much worse they get with another episode's actions, and how well the actions can be read off them.
"""

import argparse
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from rich.console import Console
from rich.table import Table

from worldmodel import checkpoint
from worldmodel.commands.recipe_parts import HeldOut
from worldmodel.config import load_config
from worldmodel.evaluate import evaluate_dream
from worldmodel.output import make_folder, write_json

STEPS = (1, 2, 4, 8)
MEASURES = {"gain_db": "dB above copy-last", "shuffle_ratio": "shuffle ratio", "inverse_r2_dream": "R2 on dreams"}


def measure(name: str, run: Path, windows: int) -> dict[str, dict[str, dict[str, float]]]:
    """Dataset -> steps -> measures of a checkpoint."""
    model, config = checkpoint.load(name), load_config(str(run / "config.yaml"))
    result: dict[str, Any] = {}
    for dataset, settings in config.datasets.items():
        source = HeldOut(settings, dataset, run)
        for steps in STEPS if len(source) else ():
            metrics, _ = evaluate_dream(
                model, source, max_windows=windows, camera=settings.camera, sampling_steps=steps, samples=0
            )
            frames = metrics["frames"]
            result.setdefault(dataset, {})[str(steps)] = {
                "gain_db": frames["changed_psnr_db"] - frames["copy_last"]["changed_psnr_db"],
                "shuffle_ratio": metrics["control"]["shuffle_ratio"],
                "inverse_r2_dream": metrics["control"]["inverse_r2_dream"],
            }
    return result


def show(result: dict[str, Any]) -> Table:
    """A row per checkpoint, dataset and number of steps."""
    table = Table("checkpoint", "dataset", "steps", *MEASURES.values())
    for name, datasets in result.items():
        for dataset, rows in datasets.items():
            for steps, row in rows.items():
                values = (row[measure] for measure in MEASURES)
                table.add_row(name, dataset, steps, *("-" if value is None else f"{value:.3f}" for value in values))
    return table


def draw(result: dict[str, Any], path: Path) -> None:
    """A panel per measure, a line per checkpoint and dataset."""
    figure, panels = plt.subplots(1, len(MEASURES), figsize=(4 * len(MEASURES), 3.2), layout="constrained")
    for panel, (measure, label) in zip(panels, MEASURES.items(), strict=True):
        for name, datasets in result.items():
            for dataset, rows in datasets.items():
                values = [float("nan") if row[measure] is None else row[measure] for row in rows.values()]
                panel.plot(list(rows), values, marker="o", label=f"{Path(name).name}: {dataset}")
        panel.set(xlabel="denoising steps per frame", ylabel=label)
    panels[0].legend(fontsize="small")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Measures, prints and draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="a finished run, whose held-out episodes count")
    parser.add_argument("--checkpoints", nargs="+", default=["pusht"])
    parser.add_argument("--windows", type=int, default=96)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    make_folder(args.output)
    result: dict[str, Any] = {}
    for name in args.checkpoints:
        result[name] = measure(name, args.run, args.windows)
        write_json(args.output / "steps.json", result)
    Console().print(show(result))
    draw(result, args.output / "steps.png")


if __name__ == "__main__":
    main()
