"""``worldmodel info``: what a data set, a checkpoint, or this installation holds."""

import argparse

from worldmodel.commands.parsing import add_format, add_whole_clips, declare, positive

TEXT = """\
PATH is a data set (HDF5, LeRobot, RLDS, DROID, OWAMcap, videos; file, folder
or Hub id), a checkpoint (name or folder), or the word envs.
"""
EXAMPLES = (
    "worldmodel info pusht",
    "worldmodel info envs",
    "worldmodel info recordings --contact-sheet sheet.png",
)


def add_to(commands: argparse._SubParsersAction) -> None:
    parser = declare(
        commands, "info", call, summary="what a data set, a checkpoint or 'envs' holds", text=TEXT, examples=EXAMPLES
    )
    parser.add_argument("path", metavar="PATH", help="data set, checkpoint, or the word envs")
    add_format(parser)
    add_whole_clips(parser)
    parser.add_argument("--contact-sheet", metavar="FILE.png", help="write pictures of several episodes of a data set")
    parser.add_argument("--camera", metavar="NAME", help="which camera these show, or tile for all (the first)")
    parser.add_argument("--duplicates", action="store_true", help="read all episodes, count those that repeat another")
    parser.add_argument("--episodes", type=positive, default=8, metavar="N", help="episodes to look into (%(default)s)")


def call(args: argparse.Namespace) -> None:
    from worldmodel.types import InputError

    kind = "environments" if args.path == "envs" else _kind(args.path)
    if args.contact_sheet and kind != "data set":
        raise InputError(f"{args.path}: not a data set, wanted one for a contact sheet")
    if kind == "environments":
        from worldmodel.commands.environments import show_environments

        show_environments()
    elif kind == "checkpoint":
        from worldmodel.commands.checkpoint_table import show_checkpoint

        show_checkpoint(args.path)
    else:
        from worldmodel.commands.dataset_table import show_dataset

        show_dataset(
            args.path,
            args.episodes,
            args.contact_sheet,
            format=args.format,
            camera=args.camera,
            cuts=not args.whole_clips,
            duplicates=args.duplicates,
        )


def _kind(path: str) -> str:
    from pathlib import Path

    from worldmodel.checkpoint import shipped

    named = path in shipped() and not Path(path).exists()
    return "checkpoint" if named or (Path(path) / "config.json").is_file() else "data set"
