"""What the commands' descriptions share: how a subcommand is declared and how its options are worded."""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

STARTS_OVER = "the same command starts over"
CONTINUES = "the same command continues where it stopped"


def declare(
    commands: argparse._SubParsersAction,
    name: str,
    call: Callable[[argparse.Namespace], None],
    *,
    summary: str,
    text: str,
    examples: Sequence[str],
    after_interrupt: str = STARTS_OVER,
    overridable: bool = False,
) -> argparse.ArgumentParser:
    """Adds a subcommand.

    Args:
        commands: the main parser's subcommands.
        name: what a person types.
        call: carries the command out.
        summary: one line for the list of commands.
        text: what it does, in lines of at most 80 columns.
        examples: commands that a person could type.
        after_interrupt: what happens if an interrupted command is typed again.
        overridable: options that it does not know are kept, as ``overrides``, for the configuration to judge.
    """
    epilog = "\n".join(["examples:", *(f"  {line}" for line in examples)])
    parser = commands.add_parser(name, help=summary, description=text, epilog=epilog)
    if overridable:
        parser.usage = f"{parser.prog} CONFIG [--key value ...]"
    overrides = [] if overridable else None
    parser.set_defaults(call=call, parser=parser, after_interrupt=after_interrupt, overrides=overrides)
    return parser


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkpoint", required=True, metavar="C", help="name of a shipped checkpoint (pusht), a folder, or a Hub id"
    )


def add_engine(parser: argparse.ArgumentParser) -> None:
    text = "how the network is carried out: eager, compiled (slow to start), or int8 (%(default)s)"
    parser.add_argument("--engine", default="eager", metavar="E", help=text)


def add_data(parser: argparse.ArgumentParser, *, required: bool) -> None:
    text = "data set: HDF5 file, LeRobot folder, folder of mp4, or Hub id"
    parser.add_argument("--data", required=required, metavar="D", help=text)


def add_format(parser: argparse.ArgumentParser) -> None:
    text = "how to read it: lerobot, lerobot_v21, robomimic, rlds, video, ... (found by looking inside)"
    parser.add_argument("--format", metavar="F", help=text)


def add_whole_clips(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--whole-clips", action="store_true", help="do not split video clips at cuts")


def add_size(parser: argparse.ArgumentParser) -> None:
    text = "bring pictures to this size, both divisible by 16 (their own size)"
    parser.add_argument("--size", nargs=2, type=positive, metavar=("HEIGHT", "WIDTH"), help=text)


def add_env_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--env-option", action="append", default=[], metavar="KEY=VALUE", help="argument of the environment, repeatable"
    )


def env_options(args: argparse.Namespace) -> dict[str, Any]:
    """What --env-option said, values as YAML reads them.

    Raises:
        InputError: a word without ``=``.
    """
    import yaml

    from worldmodel.types import InputError

    pairs = [word.partition("=") for word in args.env_option]
    if wrong := [word for word, (_, equals, _) in zip(args.env_option, pairs, strict=True) if not equals]:
        raise InputError(f"--env-option: found {wrong[0]!r}, wanted KEY=VALUE")
    return {key: yaml.safe_load(value) for key, _, value in pairs}


def positive(text: str) -> int:
    """Reads a whole number from 1 on."""
    return _at_least(1, text)


def natural(text: str) -> int:
    """Reads a whole number from 0 on."""
    return _at_least(0, text)


def _at_least(least: int, text: str) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} found, a whole number from {least} on wanted")
    return int(text)
