"""Dreamed frames a second, beside PyPI's `dreamer4` with its cache, and how the cost of a frame grows.

    uv sync --group benchmark && python benchmarks/rollout.py --output outputs/rollout.json

Both dream 15 frames after one real frame, in 4 denoising steps each, with equal tokens per frame, equal parameters in
what runs (within 10 %), and a context of all frames so far; random weights, two threads; ours by each of its engines.
They take turns with a large matrix product, and ratios are medians over the turns, so that a drifting machine speed
falls on all. ``matmul_share`` is the rate of our matrix products (torch's flop counter) over the machine's own. Without
the optional package only ours is measured.
"""

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from worldmodel.config import load_config
from worldmodel.data.embodiments import PUSHT
from worldmodel.models.engine import ENGINES
from worldmodel.models.world_model import WorldModel, WorldModelConfig
from worldmodel.output import make_folder, write_json

FRAMES, STEPS, SIDE = 16, 4, 1024
BATCHES = (1, 16)


def seconds(call: Callable[[], object]) -> float:
    """How long one call takes."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


@torch.no_grad()
def ours(config: WorldModelConfig, batch: int, *, engine: str, decode: bool) -> Callable[[], object]:
    """Dreams that begin with one frame and go on for ``FRAMES`` - 1, by an engine."""
    torch.manual_seed(0)
    model = WorldModel(config, [PUSHT]).eval().requires_grad_(False)
    model.use_engine(engine)
    rows = (config.height // config.tokenizer.downsample, config.width // config.tokenizer.downsample)
    first, actions = torch.randn(batch, 1, *rows, config.tokenizer.channels), torch.rand(FRAMES, batch, 2)
    rollout = model.rollout(batch)
    rollout.observe(first)

    @torch.no_grad()
    def run() -> None:
        rollout.restart(torch.arange(batch), first, None, range(batch))
        for t in range(1, FRAMES):
            latents = rollout.dream(actions[t], STEPS)
            if decode:
                model.decode(latents[:, None])

    return run


def dreamer4(config: WorldModelConfig, batch: int, *, decode: bool) -> tuple[Callable[[], object], int]:
    """The same with lucidrains' implementation, and its parameters that take part."""
    from dreamer4 import DynamicsWorldModel, VideoTokenizer  # pyright: ignore[reportMissingImports]

    torch.manual_seed(0)
    shape, cells = config.backbone, config.height // config.tokenizer.downsample // config.backbone.patch
    tokens = cells**2
    latent = config.tokenizer.channels * shape.patch**2
    # The decoder is as close to ours as its own shape allows: the same number of latents, 2 layers.
    tokenizer = VideoTokenizer(
        lpips_loss_weight=0.0,  # of training; it would fetch the weights of a VGG
        dim=shape.width,
        dim_latent=latent,
        patch_size=config.tokenizer.downsample,
        image_height=config.height,
        image_width=config.width,
        num_latent_tokens=tokens,
        encoder_depth=2,
        decoder_depth=2,
        attn_heads=shape.heads,
        attn_dim_head=shape.width // shape.heads,
    )
    model = DynamicsWorldModel(
        dim=shape.width,
        dim_latent=latent,
        video_tokenizer=tokenizer if decode else None,
        num_latent_tokens=tokens,
        num_spatial_tokens=tokens,
        num_register_tokens=shape.registers,
        depth=shape.layers,
        attn_heads=shape.heads,
        attn_dim_head=shape.width // shape.heads,
        time_block_every=shape.time_every,
        ff_kwargs={"expansion_factor": 1.9},
        num_continuous_actions=2,
        predict_terminals=False,
    ).eval()
    used = (model.transformer, model.latents_to_spatial_tokens, model.to_latent_pred, model.action_embedder)
    parameters = sum(p.numel() for part in used for p in part.parameters())
    first, actions = torch.randn(batch, 1, tokens, latent), torch.rand(batch, FRAMES, 2)

    @torch.no_grad()
    def run() -> None:
        result = model.generate(
            FRAMES,
            num_steps=STEPS,
            batch_size=batch,
            prompt_latents=first,
            prompt_continuous_actions=actions,
            return_decoded_video=decode,
        )
        assert isinstance(result, Tensor)

    return run, parameters


def matmul() -> Callable[[], object]:
    """A large product of matrices."""
    a, b = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    return lambda: a @ b


def compare(
    config: WorldModelConfig, batch: int, repeats: int, *, decode: bool, engines: tuple[str, ...] = ENGINES
) -> dict[str, Any]:
    """Medians of paired runs at a batch size."""
    config = replace(config, backbone=replace(config.backbone, window=FRAMES))
    runs = {f"ours_{engine}": ours(config, batch, engine=engine, decode=decode) for engine in engines}
    with FlopCounterMode(display=False) as counter:
        ours(config, batch, engine="eager", decode=False)()
    result: dict[str, Any] = {"batch": batch, "decode": decode}
    result["parameters"] = sum(p.numel() for p in WorldModel(config, [PUSHT]).backbone.parameters())
    if importlib.util.find_spec("dreamer4"):
        runs["dreamer4"], result["dreamer4_parameters"] = dreamer4(config, batch, decode=decode)
    runs["matmul"] = matmul()
    for run in runs.values():
        run()
    turns = [{name: seconds(run) for name, run in runs.items()} for _ in track(range(repeats), f"batch {batch}")]
    rate = [2 * SIDE**3 / turn["matmul"] for turn in turns]
    for name in runs.keys() - {"matmul"}:
        result[name] = {"frames_per_s": batch * (FRAMES - 1) / statistics.median(turn[name] for turn in turns)}
        if name in ("ours_eager", "ours_compiled") and not decode:
            shares = [counter.get_total_flops() / turn[name] / r for turn, r in zip(turns, rate, strict=True)]
            result[name]["matmul_share"] = statistics.median(shares)
        if name.startswith("ours") and "dreamer4" in runs:
            result[name]["ratio"] = statistics.median(turn["dreamer4"] / turn[name] for turn in turns)
    return result


@torch.no_grad()
def growth(config: WorldModelConfig, repeats: int) -> dict[str, dict[str, float]]:
    """Milliseconds per step (of one dream, or of a batch) as one thing grows and all else stays; eager."""

    def per_frame(config: WorldModelConfig, batch: int = 1, before: int = 0) -> float:
        model = WorldModel(config, [PUSHT]).eval()
        cells = (config.height // config.tokenizer.downsample, config.width // config.tokenizer.downsample)
        rollout = model.rollout(batch)
        rollout.observe(torch.randn(batch, 1, *cells, config.tokenizer.channels))
        action = torch.rand(batch, 2)
        for _ in range(max(before, config.backbone.window)):
            rollout.dream(action, 1)
        times = [seconds(lambda: rollout.dream(action, STEPS)) for _ in range(5 * repeats)]
        resident.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20)
        return statistics.median(times) * 1e3

    shape, resident = config.backbone, []
    lengths = (10, 100, 500, 2000)
    after = {str(n): per_frame(config, before=n) for n in lengths}
    return {
        "frames dreamed before": after,
        "MiB of memory by then": {str(n): mib for n, mib in zip(lengths, resident, strict=True)},
        "frames of context": {
            str(n): per_frame(replace(config, backbone=replace(shape, window=n))) for n in (4, 8, 16, 32)
        },
        "dreams in the batch": {str(n): per_frame(config, batch=n) for n in (1, 4, 16, 64)},
        "pixels per side": {str(n): per_frame(replace(config, height=n, width=n)) for n in (64, 96, 128)},
        "width": {str(n): per_frame(replace(config, backbone=replace(shape, width=n))) for n in (96, 192, 384)},
    }


def by_who(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The rows of `compare`, sorted by whom they are about."""
    ours, peer, ratio = {}, {}, {}
    for row in rows:
        name = f"batch_{row['batch']}_{'decoded' if row['decode'] else 'latents'}"
        engines = {key.removeprefix("ours_"): value for key, value in row.items() if key.startswith("ours_")}
        ours[name] = {"parameters": row["parameters"]}
        for engine, value in engines.items():
            ours[name][engine] = {key: number for key, number in value.items() if key != "ratio"}
        if "dreamer4" in row:
            peer[name] = {"parameters": row["dreamer4_parameters"], **row["dreamer4"]}
            ratio[name] = {engine: value["ratio"] for engine, value in engines.items()}
    return {"ours": ours, "peers": {"dreamer4": peer}, "ratio": {"dreamer4": ratio}}


def show(rows: list[dict[str, Any]], grown: dict[str, dict[str, float]]) -> None:
    """Prints two tables."""
    table = Table("batch", "decoding", "who", "frames/s", "x dreamer4", "share of matmul rate", title="rollout")
    for row in rows:
        for name in (*(f"ours_{engine}" for engine in ENGINES), "dreamer4"):
            if name in row:
                cells = (f"{row[name][key]:.2f}" if key in row[name] else "" for key in ("ratio", "matmul_share"))
                decoding = "with" if row["decode"] else "without"
                table.add_row(str(row["batch"]), decoding, name, f"{row[name]['frames_per_s']:.1f}", *cells)
    Console().print(table)
    table = Table("what grows", "milliseconds per step of all dreams, or MiB", title="growth")
    for name, values in grown.items():
        table.add_row(name, "  ".join(f"{key}: {value:.1f}" for key, value in values.items()))
    Console().print(table)


def main() -> None:
    """Prints tables and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/pusht.yaml")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--output")
    args = parser.parse_args()
    torch.set_num_threads(2)
    config = load_config(args.config).model
    rows = [compare(config, batch, args.repeats, decode=decode) for decode in (False, True) for batch in BATCHES]
    grown = growth(config, args.repeats)
    show(rows, grown)
    if args.output:
        output = Path(args.output)
        result = {**by_who(rows), "growth": grown, "threads": torch.get_num_threads()}
        write_json(make_folder(output.parent) / output.name, result)


if __name__ == "__main__":
    main()
