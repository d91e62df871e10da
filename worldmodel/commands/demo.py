"""``worldmodel demo``: the shipped checkpoint dreams and acts."""

import argparse

from worldmodel.commands.parsing import declare

CHECKPOINT = "pusht"
TEXT = """\
The policy drives the real Push-T environment while the dream, which sees only
the first frames, follows the same actions. Needs no network. Writes films (mp4,
gif) and metrics.json, and prints a table.
"""
EXAMPLES = ("worldmodel demo --output outputs/demo",)


def add_to(commands: argparse._SubParsersAction) -> None:
    parser = declare(
        commands, "demo", call, summary="dream and act with the shipped checkpoint", text=TEXT, examples=EXAMPLES
    )
    parser.add_argument("--output", default="outputs/demo", metavar="DIR", help="folder for the films (%(default)s)")


def call(args: argparse.Namespace) -> None:
    from worldmodel.checkpoint import find
    from worldmodel.commands.places import check_writable
    from worldmodel.demo import run_demo

    find(CHECKPOINT)
    run_demo(check_writable(args.output), CHECKPOINT)
