"""``worldmodel label``: recordings without actions become a data set with the actions that a model infers."""

import argparse
from typing import TYPE_CHECKING

from worldmodel.commands.parsing import CONTINUES, add_checkpoint, add_data, add_size, declare

if TYPE_CHECKING:
    from pathlib import Path

    from worldmodel.types import EpisodeSource

TEXT = """\
Inverse dynamics: the model reads from the pictures what was done between them.
The result is a LeRobot v3 data set with the same pictures, ready for training,
with a confidence for every action. Actions that D may already have are replaced;
how well they agree with the inferred ones is told, and written to agreement.json.
"""
EXAMPLES = ("worldmodel label --checkpoint pusht --data videos --output labelled",)


def add_to(commands: argparse._SubParsersAction) -> None:
    parser = declare(
        commands,
        "label",
        call,
        summary="infer the actions of recordings",
        text=TEXT,
        examples=EXAMPLES,
        after_interrupt=CONTINUES,
    )
    add_checkpoint(parser)
    add_data(parser, required=True)
    parser.add_argument("--output", required=True, metavar="DATASET", help="new folder for the labelled data set")
    add_size(parser)
    parser.add_argument("--camera", metavar="NAME", help="which camera to look through, or tile for all (the first)")


def call(args: argparse.Namespace) -> None:
    from worldmodel.checkpoint import load
    from worldmodel.commands.datasets import write_lerobot
    from worldmodel.commands.places import check_writable
    from worldmodel.data.open import open_dataset
    from worldmodel.label import label_episode

    output = check_writable(args.output)
    model, source = load(args.checkpoint), open_dataset(args.data)
    write_lerobot(
        lambda index: label_episode(model, source[index], camera=args.camera),
        len(source),
        args.output,
        model.embodiments[0],
        title="labelling",
        recipe={"label": source.path, "checkpoint": args.checkpoint, "camera": args.camera, "size": args.size},
        size=args.size and (args.size[0], args.size[1]),
    )
    _tell_agreement(source, output)


def _tell_agreement(source: "EpisodeSource", output: "Path") -> None:
    """Compares the labels with what was recorded, if anything was and no episode is missing."""
    from rich.console import Console
    from rich.table import Table

    from worldmodel.data.open import open_dataset
    from worldmodel.label_agreement import compare_labels
    from worldmodel.output import write_json

    labelled = open_dataset(str(output))
    if len(labelled) != len(source) or (found := compare_labels(source, labelled)) is None:
        return
    write_json(output / "agreement.json", found)
    table = Table(title="agreement with the recorded actions: agreement.json", title_justify="left")
    table.add_column("measure")
    table.add_column("value", justify="right")
    numbers = {name: value for name, value in found.items() if not isinstance(value, dict)}
    f1 = {f"f1 of {name} ({score['count']:.0f})": score["f1"] for name, score in found["events"].items()}
    for name, value in (numbers | f1).items():
        if value is not None:
            table.add_row(name, f"{value:.3g}")
    Console().print(table)
