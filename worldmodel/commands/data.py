"""``worldmodel data``: what is done to a data set after it was recorded; so far, deleting episodes on request."""

import argparse

from worldmodel.commands.parsing import declare

TEXT = """\
Takes episodes out of a data set that worldmodel wrote: videos, tables and
statistics. ID is the episode_id in meta/manifest.jsonl; without ID, all
episodes of the source go. Copies of them under other names go, too.

A tombstone stays in meta/tombstones.jsonl and in the user's registry
($XDG_DATA_HOME/worldmodel/tombstones.jsonl, default ~/.local/share): the same
recording is refused when it comes again, and worldmodel info CHECKPOINT tells
whether a model was trained on it.

--cache names the folder "cache" of a run, or one above it: cached frames and
latents of the data set are removed there.
"""
EXAMPLES = (
    "worldmodel data delete data/explore --episode 000003 000007",
    "worldmodel data delete data/arm --source day2.hdf5 --cache runs",
)
FINISHES = "the same command starts over, or tidies up if the episodes were gone already"


def add_to(commands: argparse._SubParsersAction) -> None:
    epilog = "\n".join(["examples:", *(f"  {line}" for line in EXAMPLES)])
    group = commands.add_parser("data", help="delete episodes of a data set", description=TEXT, epilog=epilog)
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    parser = declare(
        actions,
        "delete",
        call,
        summary="take episodes out, for good",
        text=TEXT,
        examples=EXAMPLES,
        after_interrupt=FINISHES,
    )
    parser.add_argument("dataset", metavar="DATASET", help="folder of the data set")
    parser.add_argument("--episode", nargs="+", default=[], metavar="ID", help="episodes to delete")
    parser.add_argument("--source", metavar="NAME", help="delete all episodes of this source, or only its --episode")
    parser.add_argument("--cache", metavar="FOLDER", help="also remove cached frames and latents below this folder")


def call(args: argparse.Namespace) -> None:
    from pathlib import Path

    from worldmodel.data.cache import remove_caches
    from worldmodel.data.deletion import delete
    from worldmodel.types import InputError

    if not args.episode and args.source is None:
        raise InputError(f"{args.dataset}: neither --episode nor --source, wanted what to delete")
    if args.cache and not Path(args.cache).is_dir():
        raise InputError(f"{args.cache}: no such folder, wanted one with caches")
    done = delete(args.dataset, ids=args.episode, source=args.source)
    if done.gone:
        print(f"{len(done.gone)} of {len(done.gone) + done.left} episodes deleted, {done.left} left")
    else:
        print(f"deleted before, {done.left} left")
    if args.cache:
        removed, unknown = remove_caches(Path(args.cache), args.dataset)
        print(f"{len(removed)} cached files removed below {args.cache}")
        if unknown:
            print(f"of unknown origin, remove them by hand: {', '.join(map(str, unknown))}")
