"""``worldmodel record``: a real X11 screen and what a person does on it become an OWAMcap recording."""

import argparse
from typing import TYPE_CHECKING

from worldmodel.commands.parsing import declare, natural, positive

if TYPE_CHECKING:
    from pathlib import Path

    from envs.screen.recorder import Progress

TEXT = """\
Records the screen that DISPLAY names: OUTPUT.mkv with the pictures and OUTPUT.mcap
with every event of mouse and keyboard, window titles, and what was redacted
(OWAMcap; worldmodel convert makes a data set of it). F9 pauses and goes on, F10
stops, F8 redacts everything until it is pressed again; these keys are not
recorded. --pause and --stop do the same from another terminal, Ctrl+C stops too.
A recorder that is killed leaves all but the last second.

Redacted means: blanked in the picture, and typed keys left out. Windows of which
title or program match --exclude are redacted, and password fields of a Chromium
that was started with --remote-debugging-port=PORT, with --browser PORT. Mouse
events are kept, so use F9 for keypads on the screen.
"""
EXAMPLES = (
    "worldmodel record recordings/monday",
    "worldmodel record recordings/monday --exclude keepass 'bank * login' --browser 9222",
    "worldmodel record recordings/monday --region 0 0 1280 720 --fps 10 --seconds 60",
    "worldmodel record recordings/monday --stop",
)
MAX_FPS = 60
REDRAWS = 4  # of the progress line in a second


def add_to(commands: argparse._SubParsersAction) -> None:
    after = "what was recorded is there"
    parser = declare(
        commands, "record", call, summary="record a real screen", text=TEXT, examples=EXAMPLES, after_interrupt=after
    )
    parser.add_argument("output", metavar="OUTPUT", help="new files, without suffix")
    parser.add_argument("--fps", type=positive, default=15, metavar="N", help="pictures per second (%(default)s)")
    text = "h264 (4:4:4, so that text can be read) or ffv1 (exact, large files) (%(default)s)"
    parser.add_argument("--codec", default="h264", metavar="C", help=text)
    text = "part of the screen in px (all monitors)"
    parser.add_argument("--region", nargs=4, type=natural, metavar=("X", "Y", "WIDTH", "HEIGHT"), help=text)
    parser.add_argument("--seconds", type=positive, metavar="N", help="stop by itself")
    text = "windows to redact: shell patterns, found anywhere in title or program, in either case"
    parser.add_argument("--exclude", nargs="+", default=[], metavar="PATTERN", help=text)
    parser.add_argument("--browser", type=positive, metavar="PORT", help="redact password fields of this browser")
    for command, key in (("pause", "F9"), ("stop", "F10"), ("redact", "F8")):
        parser.add_argument(f"--{command}-key", default=key, metavar="KEY", help=f"X name of the key ({key})")
    tell = parser.add_mutually_exclusive_group()
    tell.add_argument("--stop", action="store_true", help="stop the recorder that is writing OUTPUT, and wait for it")
    tell.add_argument("--pause", action="store_true", help="pause it or let it go on")


def call(args: argparse.Namespace) -> None:
    from pathlib import Path

    from envs.extras import require
    from worldmodel.commands.places import check_writable
    from worldmodel.types import InputError

    output = Path(args.output.removesuffix(".mcap").removesuffix(".mkv"))
    if not output.name:
        raise InputError(f"{args.output}: no name of a file, wanted one without suffix")
    lock = output.with_name(f"{output.name}.lock")
    if args.stop or args.pause:
        from envs.screen.control import send

        send(lock, "stop" if args.stop else "pause")
        return
    if args.fps > MAX_FPS:
        raise InputError(f"record: {args.fps} pictures per second, wanted at most {MAX_FPS}")
    for path in (output.with_name(output.name + suffix) for suffix in (".mcap", ".mkv")):
        if path.exists():
            raise InputError(f"{path}: exists, wanted a new recording")
    for module in ("Xlib", "mss"):
        require(module, "desktop", "record")
    check_writable(output.parent)
    record(args, output, lock)


def record(args: argparse.Namespace, output: "Path", lock: "Path") -> None:
    from rich.console import Console

    from envs.screen.control import commanded
    from envs.screen.pictures import Region
    from envs.screen.recorder import Recorder, Settings

    settings = Settings(
        fps=args.fps,
        codec=args.codec,
        region=args.region and Region(*args.region),
        seconds=args.seconds,
        exclude=tuple(args.exclude),
        browser=args.browser,
        hotkeys={"pause": args.pause_key, "stop": args.stop_key, "redact": args.redact_key},
    )
    recorder = Recorder(output, settings)
    output.parent.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    with commanded(lock, recorder.command), console.status("starting", refresh_per_second=REDRAWS) as status:

        def show(progress: "Progress") -> None:
            state = ["paused"] * progress.paused + ["redacted"] * progress.redacted
            status.update(f"{', '.join(state) or 'recording'} {words(progress)} ({args.stop_key} stops)")

        done = recorder.run(show)
    print(f"{output}.mcap, {output}.mkv: {words(done)}")


def words(progress: "Progress") -> str:
    """Time, pictures and events in a few words."""
    seconds = f"{progress.seconds:.1f} s"
    return f"{seconds}, {progress.frames} frames, {progress.events} events, {progress.dropped} frames dropped"
