"""Shows a checkpoint as tables; reads config.json and the header of the weights, not the weights."""

import json
from math import prod

from rich.console import Console
from rich.table import Table
from safetensors import SafetensorError, safe_open

from worldmodel.checkpoint import find, read_config
from worldmodel.data.tombstones import deleted
from worldmodel.trained_on import in_words
from worldmodel.types import InputError


def show_checkpoint(name: str) -> None:
    """Prints what a checkpoint is, whose actions it knows and how it was trained.

    Raises:
        InputError: no such checkpoint, a damaged one, or one of another version.
    """
    folder = find(name)
    config, embodiments = read_config(folder)
    weights = folder / "model.safetensors"
    try:
        with safe_open(weights, framework="numpy") as file:
            sizes = {key: prod(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
        size_mb = weights.stat().st_size / 1e6
    except (OSError, SafetensorError) as error:
        raise InputError(f"{weights}: cannot be read ({' '.join(str(error).split())}), wanted the weights") from error
    table = Table(title=f"checkpoint {name}", show_header=False, title_justify="left")
    table.add_row("parameters", f"{sum(sizes.values()) / 1e6:.2f} M, {size_mb:.1f} MB")
    for part in sorted({key.split(".")[0] for key in sizes}):
        count = sum(size for key, size in sizes.items() if key.split(".")[0] == part)
        table.add_row(f"  {part}", f"{count / 1e6:.2f} M")
    if config.tokenizer.architecture:
        table.add_row("tokenizer", f"{config.tokenizer.architecture['_class_name']}, from elsewhere")
    n = config.tokenizer.frames_per_latent
    remembered = 1 + (config.backbone.window - 1) * n
    table.add_row("frames", f"{config.width}x{config.height} px, {remembered} remembered, {n} per latent")
    table.add_row("actions per chunk", str(n * config.backbone.chunk))
    table.add_row("sampling steps per latent", str(config.sampling_steps))
    for spec in embodiments:
        dims = ", ".join(f"{dim.name} {dim.low:g} to {dim.high:g} {dim.unit}".strip() for dim in spec.action.dims)
        table.add_row(
            f"embodiment {spec.name}", f"{spec.fps:g} actions/s: {dims}; state: {len(spec.state_low)} numbers"
        )
    console = Console()
    training = json.loads((folder / "config.json").read_text()).get("training") or {}
    table.add_row("deleted episodes", in_words(training, deleted()))
    console.print(table)
    if training:
        console.print(_facts(training))
    if (folder / "README.md").is_file():
        console.print(f"model card: {folder / 'README.md'}", soft_wrap=True)


def _facts(training: dict) -> Table:
    table = Table(title="training", show_header=False, title_justify="left")
    counts = {
        name: None if hashes is None else len(hashes) for name, hashes in (training.get("episodes") or {}).items()
    }
    for key, value in {**training, "episodes": counts}.items():
        table.add_row(key, value if isinstance(value, str) else json.dumps(value))
    return table
