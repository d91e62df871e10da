"""What ``worldmodel record`` loses of a scripted session on a virtual screen, and of recordings that are killed.

    python benchmarks/recorder.py --output outputs/recorder.json

A script moves, clicks, scrolls and types on an Xvfb screen; a window shows after every click how many there were.
In the middle F8 redacts while a secret is shown and typed. ``lost`` and ``reordered`` count events; ``frame_error`` is
by how many frames a click's effect is seen too early (below 0) or too late; ``stamp_error_ms`` is how far stamps lie
outside of the time in which the event was sent. ``kill_lost_s``: how much of recordings that were killed at random
times is not there, by events and by pictures.
"""

import argparse
import multiprocessing
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import av
import numpy as np
from rich.console import Console
from Xlib import XK, X
from Xlib.display import Display
from Xlib.ext import xtest

from envs.screen.clock import MS, NS, now_ns
from worldmodel.cli import main as run_command
from worldmodel.data.owamcap import OwamcapSource
from worldmodel.data.owamcap_events import read_messages
from worldmodel.output import make_folder, write_json
from worldmodel.types import InputError

WIDTH, HEIGHT = 1280, 720
SHARES = {"move": 2000, "click": 100, "key": 300, "scroll": 100}  # of a session of 60 s
LETTERS, SECRET = "abcdefghijklmnopqrstuvw0123456789", "xyz"
SECRET_COLOUR = (200, 30, 90)
APART_S = 0.5
TO_START_S = 120.0


@contextmanager
def virtual_screen() -> Iterator[str]:
    """Starts an X server, names it in the environment, and yields its name."""
    reading, writing = os.pipe()
    words = ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(words, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        with os.fdopen(reading) as told:
            os.environ["DISPLAY"] = f":{told.readline().strip()}"
        yield os.environ["DISPLAY"]
    finally:
        server.terminate()
        server.wait()


@dataclass
class Session:
    """Somebody at the screen.

    Attributes:
        sent: every event that is to be recorded: between which times it was sent, and what.
        painted: when the count of clicks had been drawn.
    """

    display: Display
    sent: list[tuple[int, int, tuple[Any, ...]]] = field(default_factory=list)
    painted: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._screen = self.display.screen()
        self._window = self._show((0, 0, 64, 64), 0)
        self._moves = 0

    def _show(self, place: tuple[int, int, int, int], pixel: int) -> Any:
        depth = self._screen.root_depth
        window = self._screen.root.create_window(*place, 0, depth, background_pixel=pixel, override_redirect=True)
        window.map()
        self.display.sync()
        return window

    def _fake(self, kind: int, detail: int = 0, x: int = 0, y: int = 0, told: tuple[Any, ...] | None = None) -> None:
        before_ns = now_ns()
        xtest.fake_input(self.display, kind, detail, x=x, y=y)
        self.display.sync()
        if told:
            self.sent.append((before_ns, now_ns(), told))

    def move(self) -> None:
        self._moves += 1
        x, y = self._moves % WIDTH, self._moves * 7 % HEIGHT
        self._fake(X.MotionNotify, x=x, y=y, told=("move", x, y))

    def click(self) -> None:
        for kind, down in ((X.ButtonPress, True), (X.ButtonRelease, False)):
            self._fake(kind, 1, told=("click", "left", down))
        count = len(self.painted) + 1
        self._window.change_attributes(background_pixel=count % 16 << 20 | count // 16 << 12)
        self._window.clear_area()
        self.display.sync()
        self.painted.append(now_ns())

    def scroll(self) -> None:
        self._fake(X.ButtonPress, 5, told=("scroll", 0, -1))
        self._fake(X.ButtonRelease, 5)

    def key(self, letter: str, told: bool = True) -> None:
        code = self.display.keysym_to_keycode(XK.string_to_keysym(letter))
        for kind, name in ((X.KeyPress, "press"), (X.KeyRelease, "release")):
            self._fake(kind, code, told=(name, ord(letter.upper())) if told else None)

    def be_secret(self) -> None:
        """Redacts, shows and types a secret, and ends that."""
        time.sleep(APART_S)
        self.key("F8", told=False)
        pixel = SECRET_COLOUR[0] << 16 | SECRET_COLOUR[1] << 8 | SECRET_COLOUR[2]
        window = self._show((200, 200, 300, 100), pixel)
        for letter in SECRET * 5:
            self.key(letter, told=False)
        time.sleep(APART_S)
        window.destroy()
        self.display.sync()
        self.key("F8", told=False)
        time.sleep(APART_S)

    def act(self, seconds: float, generator: np.random.Generator) -> None:
        """Does a session's events in random order, evenly over the time, with the secret in the middle."""
        kinds = [kind for kind, count in SHARES.items() for _ in range(round(count * seconds / 60))]
        generator.shuffle(kinds)
        start = time.monotonic()
        for number, kind in enumerate(kinds):
            time.sleep(max(start + number / len(kinds) * seconds - time.monotonic(), 0))
            if number == len(kinds) // 2:
                self.be_secret()
                start += 3 * APART_S
            if kind == "key":
                self.key(LETTERS[generator.integers(len(LETTERS))])
            else:
                getattr(self, kind)()


@contextmanager
def recording(path: Path, *words: str) -> Iterator[BaseProcess]:
    """Runs ``worldmodel record`` in a process of its own, from its first picture on."""
    process = multiprocessing.get_context("fork").Process(target=run_command, args=(["record", str(path), *words],))
    process.start()
    end = time.monotonic() + TO_START_S
    while not shows_something(path):
        if not process.is_alive() or time.monotonic() > end:
            raise SystemExit("the recorder did not start")
        time.sleep(0.01)
    try:
        yield process
    finally:
        process.join()


def shows_something(path: Path) -> bool:
    """Whether a recording that goes on has pictures so far."""
    try:
        return any(topic == "screen" for _, topic, _ in read_messages(path.with_suffix(".mcap")))
    except InputError:
        return False


def key_of(message: dict[str, Any]) -> tuple[Any, ...]:
    """An event as `Session.sent` has it."""
    fields = {"move": ("x", "y"), "click": ("button", "pressed"), "scroll": ("dx", "dy")}
    kind = message["event_type"]
    return (kind, *(message[name] for name in fields.get(kind, ("vk",))))


def pictures_of(path: Path) -> list[tuple[int, np.ndarray]]:
    """Times and pictures; the left upper corner and a piece where the secret was."""
    named = [
        (time_ns, message) for time_ns, topic, message in read_messages(path.with_suffix(".mcap")) if topic == "screen"
    ]
    shown = {}
    with av.open(str(path.with_suffix(".mkv"))) as container:
        for frame in container.decode(video=0):
            shown[round(frame.time * 1000)] = frame.to_ndarray(format="rgb24")[:304:4, :504:4]
    return [(time_ns, shown[message["media_ref"]["pts_ns"] // MS]) for time_ns, message in named]


def judge(path: Path, session: Session) -> dict[str, Any]:
    """Compares a recording with what was done."""
    told = [(time_ns, topic, message) for time_ns, topic, message in read_messages(path.with_suffix(".mcap"))]
    events = [(time_ns, key_of(message)) for time_ns, topic, message in told if topic in ("mouse", "keyboard")]
    wanted, found = [sent[2] for sent in session.sent], [event[1] for event in events]
    stamps = [max(a - event[0], event[0] - b, 0) for (a, b, _), event in zip(session.sent, events, strict=False)]
    shown = pictures_of(path)
    counts = [
        (time_ns, round(int(image[8, 8, 0]) / 16) + round(int(image[8, 8, 1]) / 16) * 16) for time_ns, image in shown
    ]
    errors = []
    for number, painted_ns in enumerate(session.painted, 1):
        due = next((index for index, (time_ns, _) in enumerate(counts) if time_ns >= painted_ns), None)
        seen = next((index for index, (_, count) in enumerate(counts) if count >= number), None)
        if due is not None and seen is not None and counts[due][1]:  # not while it was blanked
            errors.append(seen - due)
    leaks = sum(bool((np.abs(image.astype(int) - SECRET_COLOUR).max(axis=-1) <= 12).any()) for _, image in shown)
    codes = {ord(letter.upper()) for letter in SECRET}
    typed = sum(message.get("vk") in codes or bool(codes & set(message.get("buttons", []))) for _, _, message in told)
    files = [path.with_suffix(suffix).stat().st_size for suffix in (".mcap", ".mkv")]
    gaps = np.diff([time_ns for time_ns, _ in shown]) / MS
    return {
        "events": len(found),
        "lost": len(wanted) - len(found),
        "reordered": sum(one != other for one, other in zip(wanted, found, strict=False)),
        "stamp_error_ms": {"median": statistics.median(stamps) / MS, "max": max(stamps) / MS},
        "frames": len(shown),
        "frame_gap_ms": {"median": float(np.median(gaps)), "max": float(gaps.max())},
        "frame_error": {"min": min(errors), "max": max(errors), "clicks": len(errors)},
        "secret_frames": leaks,
        "secret_keys": typed,
        "mbytes": {"mcap": files[0] / 1e6, "mkv": files[1] / 1e6},
    }


def kill(folder: Path, number: int, generator: np.random.Generator, display: Display) -> dict[str, float]:
    """Kills a recorder at a random moment; returns how many seconds before that its events and pictures end."""
    path, session = folder / f"killed{number}", Session(display)
    with recording(path) as process:
        end = time.monotonic() + float(generator.uniform(1.0, 4.0))
        while time.monotonic() < end:
            session.move()
            time.sleep(0.01)
        process.kill()
        killed_ns = now_ns()
    count = sum(topic == "mouse" for _, topic, _ in read_messages(path.with_suffix(".mcap")))
    source = OwamcapSource(path.with_suffix(".mcap"))
    ticks = sum(len(source[index]) for index in range(len(source)))
    shown = pictures_of(path)
    last_ns = session.sent[count - 1][0]
    return {"events_s": (killed_ns - last_ns) / NS, "pictures_s": (killed_ns - shown[-1][0]) / NS, "ticks": ticks}


def measure(seconds: float, kills: int, codec: str) -> dict[str, Any]:
    """One session and several kills on a screen of their own."""
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder, virtual_screen() as name:
        display = Display(name)
        session, path = Session(display), Path(folder) / "session"
        with recording(path, "--codec", codec):
            session.act(seconds, generator)
            time.sleep(APART_S)
            session.key("F10", told=False)
        result = judge(path, session)
        killed = [kill(Path(folder), number, generator, display) for number in range(kills)]
    worst = {name: max(one[name] for one in killed) for name in ("events_s", "pictures_s")} if killed else {}
    load = os.getloadavg()[0]
    return {**result, "seconds": seconds, "codec": codec, "kills": len(killed), "kill_lost_s": worst, "load": load}


def main() -> None:
    """Measures what the words after the program's name say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--codec", default="h264")
    parser.add_argument("--output")
    args = parser.parse_args()
    if shutil.which("Xvfb") is None:
        raise SystemExit("Xvfb is not installed")
    result = {"ours": measure(args.seconds, args.kills, args.codec), "peers": {}, "ratio": {}}
    Console().print(result)
    if args.output:
        output = Path(args.output)
        write_json(make_folder(output.parent) / output.name, result)


if __name__ == "__main__":
    main()
