"""``worldmodel convert``: any data set that can be read becomes a LeRobot v3 data set."""

import argparse

from worldmodel.commands.parsing import CONTINUES, add_format, add_size, add_whole_clips, declare, natural, positive

TEXT = """\
Reads SOURCE episode by episode and writes DATASET in the LeRobot v3 layout.
SOURCE is HDF5 (Diffusion Policy, robomimic, LIBERO, ACT, ALOHA), LeRobot v2.1
or v3, RLDS, DROID, OWAMcap, or videos, which are split at cuts. All cameras are
kept. Damaged episodes are left out, and quarantine.json says why.
DATASET appears when it is complete; the same command continues an interrupted
conversion. The model wants height and width divisible by 16: --size brings
others to that.
"""
MAX_FPS = 60
EXAMPLES = (
    "worldmodel convert pusht_human.hdf5 pusht_lerobot",
    "worldmodel convert videos videos_lerobot --size 160 224",
    "worldmodel convert recordings/monday.mcap monday_lerobot --fps 15",
)


def add_to(commands: argparse._SubParsersAction) -> None:
    parser = declare(
        commands,
        "convert",
        call,
        summary="turn a data set into LeRobot v3",
        text=TEXT,
        examples=EXAMPLES,
        after_interrupt=CONTINUES,
    )
    parser.add_argument("source", metavar="SOURCE", help="file, folder or Hub id")
    parser.add_argument("output", metavar="DATASET", help="new folder")
    add_format(parser)
    add_whole_clips(parser)
    add_size(parser)
    text = f"ticks per second of desktop recordings (OWAMcap), 1 to {MAX_FPS} (10)"
    parser.add_argument("--fps", type=positive, metavar="N", help=text)
    parser.add_argument(
        "--crf",
        type=natural,
        default=12,
        metavar="N",
        help="loss of the video: 0 none (for simulated pictures), 12 hardly visible, 20 small files (%(default)s)",
    )


def call(args: argparse.Namespace) -> None:
    from functools import partial
    from pathlib import Path

    from worldmodel.commands.datasets import write_lerobot
    from worldmodel.data.open import open_dataset
    from worldmodel.data.quality import QUARANTINE, read_good
    from worldmodel.types import InputError

    if args.fps is not None and args.fps > MAX_FPS:
        raise InputError(f"convert: {args.fps} ticks per second, wanted at most {MAX_FPS}")
    fps = args.fps and float(args.fps)
    source = open_dataset(args.source, format=args.format, cuts=not args.whole_clips, fps=fps)
    if len(source.embodiments) != 1:
        names = ", ".join(spec.name for spec in source.embodiments)
        raise InputError(f"{args.source}: {len(source.embodiments)} embodiments ({names}), wanted one")
    recipe = {"convert": source.path, "size": args.size, "crf": args.crf, "whole_clips": args.whole_clips}
    recipe |= {"fps": args.fps} if args.fps else {}
    left_out = write_lerobot(
        partial(read_good, source),
        len(source),
        args.output,
        source.embodiments[0],
        title="converting",
        recipe=recipe,
        size=args.size and (args.size[0], args.size[1]),
        crf=args.crf,
    )
    if left_out:
        print(f"{left_out} of {len(source)} episodes left out, see {Path(args.output) / QUARANTINE}")
