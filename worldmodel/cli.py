"""The command line: reads what a person typed, calls the part that does it, and tells a person's mistakes in one line.

Composition root: only this file, worldmodel/commands and worldmodel/demo.py bring model, environments and policies
together. Everything slow is imported inside the command that needs it, so that ``worldmodel --help`` answers at once.
"""

import argparse
import errno
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import NoReturn

from worldmodel.commands import collect, convert, data, demo, evaluate, info, label, play, record, rollout, score, train

COMMANDS = (demo, play, train, rollout, evaluate, score, collect, record, convert, data, info, label)
UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG}
DISK_FULL = os.strerror(errno.ENOSPC)
USER_ERROR, INTERRUPTED = 2, 130

DESCRIPTION = """\
One small network that dreams what a camera or a screen will show next, given
actions, and says which actions to take.
"""
EXAMPLES = """\
first steps:
  worldmodel demo              dream and act with the shipped checkpoint
  worldmodel run tiny          a whole recipe on tiny data, from nothing to a report
  worldmodel play              drive the dream live in a browser
  worldmodel info pusht        what a checkpoint, a data set or 'envs' holds
  worldmodel COMMAND --help    one command, with examples
"""


class Parser(argparse.ArgumentParser):
    """argparse with this program's manners: one line for a mistake, and no guessing of abbreviated options."""

    def __init__(self, **kwargs) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)

    def error(self, message: str) -> NoReturn:
        self.exit(USER_ERROR, f"worldmodel: {message} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of every subcommand; the parsed ``call`` is the function that carries it out."""
    parser = Parser(prog="worldmodel", description=DESCRIPTION, epilog=EXAMPLES)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)
    for command in COMMANDS:
        command.add_to(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: the words after the program's name; those of the process unless given.

    Returns:
        Exit code: 0, 2 after a mistake in the input (one line on stderr), or 130 when interrupted.
    """
    args, overrides = build_parser().parse_known_args(argv)
    if args.overrides is None and overrides:
        args.parser.error(f"unrecognized arguments: {' '.join(overrides)}")
    args.overrides = overrides
    # Said by pygame of itself; no one who reads it here can do anything about it.
    warnings.filterwarnings("ignore", "pkg_resources is deprecated")
    try:
        args.call(args)
    except (KeyboardInterrupt, SystemExit) as error:
        # Lightning turns an interrupt into exit(1) after it has tidied up.
        if not any(isinstance(cause, KeyboardInterrupt) for cause in _causes(error)):
            raise
        print(f"worldmodel: interrupted; {args.after_interrupt}", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        line = explain(error, getattr(args, "output", None))
        if line is None:
            raise
        print(f"worldmodel: {line}", file=sys.stderr)
        return USER_ERROR
    return 0


def explain(error: Exception, output: str | None) -> str | None:
    """Says in one line what a person can mend; None if the program is to blame.

    Args:
        error: what was raised.
        output: where the command was to write, named when the error itself names no file.
    """
    from worldmodel.types import InputError

    if isinstance(error, InputError):
        return " ".join(str(error).split())
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno in UNWRITABLE:
            return f"{cause.filename or output or 'output'}: {os.strerror(cause.errno)}, wanted a place to write to"
        # HDF5, safetensors and torch report a full disk in words of their own, without an errno.
        if DISK_FULL in str(cause):
            return f"{output or 'output'}: {DISK_FULL}, wanted a place to write to"
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


if __name__ == "__main__":
    sys.exit(main())
