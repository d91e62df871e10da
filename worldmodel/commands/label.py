"""``worldmodel label``: recordings without actions become a data set with the actions that a model infers."""

import argparse

from worldmodel.commands.parsing import CONTINUES, add_checkpoint, add_data, add_size, declare

TEXT = """\
Inverse dynamics: the model reads from the pictures what was done between them.
The result is a LeRobot v3 data set with the same pictures, ready for training.
Actions that D may already have are replaced.
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

    check_writable(args.output)
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
