"""How much of the machine's own fp32 matrix-product rate a training step reaches, and whether the loader keeps up.

    python benchmarks/train_step.py --output outputs/train_step.json

Counts the multiply-adds of all matrix products of one step (torch's flop counter, eager), and times step, a large
matrix product and the loader in turn, so that a drifting machine speed falls on all. ``loader_share`` is the loader's
time over the step's: below 1 it never starves the step, even without a worker of its own. ``bfloat16_times`` is how
many times as fast a step is with products in bfloat16 (``precision: bfloat16`` of a stage).
"""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from worldmodel.config import StageConfig, load_config
from worldmodel.data.augment import augment
from worldmodel.data.cache import Recordings, encode_recordings, load_recordings
from worldmodel.data.embodiments import PUSHT
from worldmodel.data.windows import WindowSampler
from worldmodel.models.objective import act_loss, dream_loss, total
from worldmodel.models.optimizers import build_optimizer
from worldmodel.models.precision import PRECISIONS, reduced
from worldmodel.models.world_model import WorldModel
from worldmodel.output import make_folder, write_json
from worldmodel.recipe import act_size
from worldmodel.types import Batch, EmbodimentSpec, Episode

SIDE = 2048


def seconds(call: Callable[[], object]) -> float:
    """How long one call takes."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def random_batch(model: WorldModel, size: int, window: int) -> Batch:
    """A batch of the shapes that training sees."""
    rows, columns = model.config.height // 8, model.config.width // 8
    reach = window + model.chunk_length - 1
    return Batch(
        actions=torch.rand(size, reach, 2) * 2 - 1,
        action_mask=torch.ones(size, reach, dtype=torch.bool),
        embodiment=torch.zeros(size, dtype=torch.long),
        latents=torch.randn(size, window, rows, columns, model.config.tokenizer.channels),
        state=torch.rand(size, window, 2),
    )


class Noise:
    """Recordings of random pixels, as many as fit the purpose: what the loader does is the same."""

    path = "noise"

    def __init__(self, episodes: int, frames: int, height: int, width: int) -> None:
        self.embodiments: Sequence[EmbodimentSpec] = [PUSHT]
        self.episodes, self.shape = episodes, (frames, height, width, 3)

    def __len__(self) -> int:
        return self.episodes

    def __getitem__(self, index: int) -> Episode:
        rng = np.random.default_rng(index)
        places = rng.uniform(0, 512, (2, self.shape[0], 2)).astype(np.float32)
        return Episode(
            frames={"pixels": rng.integers(0, 256, self.shape).astype(np.uint8)},
            actions=places[0],
            action_mask=np.ones(self.shape[0], bool),
            fps=10.0,
            embodiment=PUSHT.name,
            episode_id=str(index),
            source=self.path,
            state=places[1],
        )


def sampler(model: WorldModel, recordings: Recordings, window: int, *, frames: bool) -> WindowSampler:
    """What a stage draws its batches from."""
    return WindowSampler(
        [recordings],
        [np.arange(recordings.episodes)],
        window=window,
        chunk=model.chunk_length,
        action_size=2,
        state_size=2,
        bodies={PUSHT.name: 0},
        frames=frames,
    )


def loaders(model: WorldModel, stage: StageConfig, recordings: Recordings) -> tuple[Callable[[], object], ...]:
    """What makes a batch of a dream step and of an act step, the latter with pictures moved and encoded again."""
    window = stage.act_window or stage.window
    dream = sampler(model, recordings, stage.window, frames=False)
    act = sampler(model, recordings, window, frames=True)
    calls, size = itertools.count(), act_size(model, stage)

    def draw_act() -> object:
        batch = act.draw((0,), next(calls) * size, size)
        with torch.no_grad():
            return augment(batch, stage.act_augment, [PUSHT], model.tokenizer.encode)

    return lambda: dream.draw((0,), next(calls) * stage.batch, stage.batch), draw_act


def measure(config_path: str, repeats: int, compiled: bool) -> dict[str, float]:
    """Medians of paired runs."""
    recipe = load_config(config_path)
    stage, objective = recipe.stages["finetune"], recipe.model.objective
    torch.manual_seed(0)
    model = WorldModel(recipe.model, [PUSHT])
    optimizer = build_optimizer(model.backbone, stage.optimizer, stage.learning_rate, stage.weight_decay)
    window = stage.act_window or stage.window
    batches = (
        (dream_loss, random_batch(model, stage.batch, stage.window)),
        (act_loss, random_batch(model, act_size(model, stage), window)),
    )
    losses = [lambda f=f, batch=batch: total(f(model.backbone, batch, objective), objective) for f, batch in batches]
    with FlopCounterMode(display=False) as counter:
        losses[0]().backward()
    flops = [counter.get_total_flops()]
    with FlopCounterMode(display=False) as counter:
        losses[1]().backward()
    flops.append(counter.get_total_flops())
    run = {
        (kind, precision): torch.compile(loss, dynamic=False) if compiled else loss
        for precision in PRECISIONS
        for kind, loss in enumerate(losses)
    }

    def step(kind: int, precision: str = "float32") -> None:
        with reduced(precision, torch.device("cpu")):
            loss = run[kind, precision]()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.backbone.parameters(), stage.clip_norm)
        optimizer.step()
        optimizer.zero_grad()

    a, b = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    for _ in range(2):
        for which in run:
            step(*which)
    with tempfile.TemporaryDirectory() as folder:
        source = Noise(40, 100, model.config.height, model.config.width)
        recordings = load_recordings("noise", source, Path(folder), model.config.height, model.config.width)
        encode_recordings(recordings, model.tokenizer.eval(), Path(folder))
        calls = (lambda: a @ b, lambda: step(0), lambda: step(1), *loaders(model, stage, recordings))
        calls += (lambda: step(0, "bfloat16"), lambda: step(1, "bfloat16"))
        times = np.array([[seconds(call) for call in calls] for _ in range(repeats)])
    rate = 2 * SIDE**3 / times[:, 0] / 1e9
    steps = [flop / times[:, kind + 1] / 1e9 for kind, flop in enumerate(flops)]
    return {
        "matmul_gflop_per_s": statistics.median(rate),
        "dream_step_gflop_per_s": statistics.median(steps[0]),
        "act_step_gflop_per_s": statistics.median(steps[1]),
        "dream_step_ratio": statistics.median(steps[0] / rate),
        "act_step_ratio": statistics.median(steps[1] / rate),
        "dream_steps_per_s": 1 / statistics.median(times[:, 1]),
        "act_steps_per_s": 1 / statistics.median(times[:, 2]),
        "dream_bfloat16_times": statistics.median(times[:, 1] / times[:, 5]),
        "act_bfloat16_times": statistics.median(times[:, 2] / times[:, 6]),
        "dream_loader_share": statistics.median(times[:, 3] / times[:, 1]),
        "act_loader_share": statistics.median(times[:, 4] / times[:, 2]),
        "threads": torch.get_num_threads(),
    }


def main() -> None:
    """Prints a table and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/pusht.yaml")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--eager", action="store_true", help="without torch.compile")
    parser.add_argument("--output")
    args = parser.parse_args()
    ours = measure(args.config, args.repeats, not args.eager)
    table = Table("measure", "value")
    for name, value in ours.items():
        table.add_row(name, f"{value:.3g}")
    Console().print(table)
    if args.output:
        result = {
            "ours": ours,
            "peers": {"matmul": {"gflop_per_s": ours["matmul_gflop_per_s"]}},
            "ratio": {"matmul": {"dream_step": ours["dream_step_ratio"], "act_step": ours["act_step_ratio"]}},
        }
        output = Path(args.output)
        write_json(make_folder(output.parent) / output.name, result)


if __name__ == "__main__":
    main()
