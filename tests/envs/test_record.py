"""A screen and somebody who uses it, recorded: nothing lost, nothing reordered, and pictures of their time."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks import recorder
from envs.screen import listener
from envs.screen.clock import now_ns
from envs.screen.pictures import Region
from envs.screen.recorder import Recorder, Settings
from tests.envs.screen import (
    HEIGHT,
    PATIENCE_S,
    WIDTH,
    Person,
    doomed,
    events,
    messages,
    messages_or_none,
    needs_screen,
    pictures,
    recording,
    virtual_screen,
    wait_for_picture,
    wait_until,
)
from worldmodel.data.owamcap import OwamcapSource
from worldmodel.types import InputError

pytestmark = [needs_screen, pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")]
KILLS = 3
LATE_S = 4.0  # on a machine that has no time for us; benchmarks/recorder.py measures it on one that has
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.fixture(scope="module")
def screen() -> Iterator[str]:
    with virtual_screen() as name:
        yield name


@pytest.fixture
def person(screen: str, monkeypatch: pytest.MonkeyPatch) -> Person:
    monkeypatch.setenv("DISPLAY", screen)
    return Person(screen)


def act(person: Person, generator: np.random.Generator, first: int, count: int) -> None:
    """Does many things at random, as fast as the screen takes them."""
    for number in range(first, first + count):
        kind = generator.choice(["move", "click", "type", "scroll"], p=[0.7, 0.1, 0.1, 0.1])
        if kind == "move":
            person.move(number % WIDTH, int(generator.integers(HEIGHT)))  # never where it is
        elif kind == "click":
            person.click(int(generator.integers(1, 4)))
        elif kind == "scroll":
            person.scroll(int(generator.integers(4, 8)))
        else:
            person.type(LETTERS[generator.integers(len(LETTERS))])


def test_no_event_is_lost_or_reordered(person: Person, tmp_path: Path) -> None:
    with recording(tmp_path / "x", codec="h264"):
        before_ns = now_ns()
        act(person, np.random.default_rng(0), 0, 400)
        after_ns = now_ns()
        time.sleep(0.1)
    assert events(tmp_path / "x") == person.sent
    times = [time_ns for time_ns, _ in messages(tmp_path / "x", "mouse", "keyboard")]
    assert all(first < second for first, second in pairwise(times))
    assert before_ns - 10**7 < times[0] < times[-1] < after_ns
    assert (tmp_path / "x.mkv").stat().st_mode & 0o077 == (tmp_path / "x.mcap").stat().st_mode & 0o077 == 0
    assert messages(tmp_path / "x", "keyboard/state")[0][1] == {"buttons": []}


def test_pictures_show_what_was_before_them_to_one_frame(person: Person, tmp_path: Path) -> None:
    window = person.window("numbers", (0, 0, 64, 64), (0, 0, 0))
    painted = []
    with recording(tmp_path / "x"):
        for number in range(1, 25):
            start_ns = now_ns()
            person.paint(window, (number * 10, 0, 0))
            painted.append((start_ns, now_ns()))
            time.sleep(0.09)
    shown = [(time_ns, int(picture[2, 2, 0]) // 10) for time_ns, picture in pictures(tmp_path / "x")]
    assert len(shown) > 3
    for number, (start_ns, done_ns) in enumerate(painted, 1):
        first = next((index for index, (_, seen) in enumerate(shown) if seen >= number), len(shown))
        due = next((index for index, (time_ns, _) in enumerate(shown) if time_ns >= done_ns), len(shown))
        assert abs(first - due) <= 1
        assert first == len(shown) or shown[first][0] > start_ns  # no picture shows what is to come
    window.destroy()
    person.display.sync()


def test_text_can_be_read_in_the_usual_codec(person: Person, tmp_path: Path) -> None:
    window = person.window("colours", (0, 0, 64, 64), (0, 0, 0))
    gc = window.create_gc(foreground=0xFF0000)
    with recording(tmp_path / "x", codec="h264"):
        for x in range(0, 64, 2):  # red lines of one pixel, which 4:2:0 would make dark
            window.line(gc, x, 0, x, 63)
        person.display.sync()
        wait_for_picture(tmp_path / "x")
    last = pictures(tmp_path / "x")[-1][1].astype(int)
    assert np.abs(last[:60, 0:60:2] - (255, 0, 0)).mean() < 12
    assert np.abs(last[:60, 1:60:2]).mean() < 12
    window.destroy()
    person.display.sync()


def test_pause_and_stop_by_key_and_command(person: Person, tmp_path: Path) -> None:
    with recording(tmp_path / "x", fps=30) as recorder:
        for key, command in (("F9", "pause"), ("", "pause")):
            wait_for_picture(tmp_path / "x")
            person.type("ab")
            time.sleep(0.2)
            wait_for_picture(tmp_path / "x")
            person.tap(key) if key else recorder.command(command)
            time.sleep(0.1)
            person.press("q", True)  # released after the pause
            person.tap("z")
            time.sleep(0.4)
            person.tap(key) if key else recorder.command(command)
            time.sleep(0.1)
            person.press("q", False)
        wait_for_picture(tmp_path / "x")
        person.type("c")
        time.sleep(0.2)
        wait_for_picture(tmp_path / "x")
        person.tap("F10")
        time.sleep(0.05)
        person.tap("z")
    assert events(tmp_path / "x") == person.sent
    kinds = [contents["event"] for _, contents in messages(tmp_path / "x", "recording")]
    assert kinds == ["start", "pause", "resume", "pause", "resume"]
    pauses = [time_ns for time_ns, contents in messages(tmp_path / "x", "recording")][1:]
    for start_ns, stop_ns in (pauses[:2], pauses[2:]):
        assert not [time_ns for time_ns, _ in pictures(tmp_path / "x") if start_ns < time_ns < stop_ns]
    source = OwamcapSource(tmp_path / "x.mcap")
    assert len(source) == 3  # no episode goes over a pause
    names = source.embodiments[0].action.names
    assert set(names[7:]) == {"key_A", "key_B", "key_C"}
    assert [bool(source[index].actions[:, names.index("key_C")].any()) for index in range(3)] == [False, False, True]


def test_a_part_of_the_screen(person: Person, tmp_path: Path) -> None:
    window = person.window("as large as the part, but elsewhere", (10, 10, 96, 64), (0, 200, 0))
    person.focus(window)
    with recording(tmp_path / "x", region=Region(100, 50, 96, 64)):
        person.move(148, 82)
        wait_for_picture(tmp_path / "x")
        time.sleep(0.3)
    source = OwamcapSource(tmp_path / "x.mcap")
    assert source[0].frames["pixels"].shape[1:] == (64, 96, 3)
    assert source[0].actions[-1, :2].tolist() == [48.0, 32.0]
    titles = [contents for _, contents in messages(tmp_path / "x", "window")]
    assert titles[0]["title"] == "as large as the part, but elsewhere"
    assert titles[0]["rect"] == [10, 10, 106, 74]
    window.destroy()
    person.display.sync()


def test_an_error_in_one_event_ends_nothing(person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = listener.virtual_key

    def fail(keysym: int, keycode: int) -> int:
        if keysym == ord("x"):
            raise RuntimeError("a key that nobody understands")
        return real(keysym, keycode)

    monkeypatch.setattr(listener, "virtual_key", fail)
    with recording(tmp_path / "x"):
        person.type("a")
        person.tap("x")
        person.type("b")
        time.sleep(0.1)
    assert events(tmp_path / "x") == person.sent


def test_a_screen_that_goes_away_leaves_what_was_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = []
    with virtual_screen() as name:
        monkeypatch.setenv("DISPLAY", name)
        person = Person(name)
        recorder = Recorder(tmp_path / "x", Settings())

        def run() -> None:
            try:
                recorder.run(lambda progress: None)
            except InputError as error:
                failures.append(str(error))

        thread = threading.Thread(target=run)
        thread.start()
        wait_until(lambda: messages_or_none(tmp_path / "x"))
        act(person, np.random.default_rng(0), 0, 10)
        time.sleep(0.3)
        wait_for_picture(tmp_path / "x")
    thread.join(PATIENCE_S)
    assert failures == [f"record: the display went away, {tmp_path / 'x'} holds what came before"]
    assert events(tmp_path / "x") == person.sent
    assert len(OwamcapSource(tmp_path / "x.mcap")) == 1


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_recorder_leaves_all_but_the_last_moment(person: Person, tmp_path: Path, seed: int) -> None:
    generator = np.random.default_rng(seed)
    moment_s, sent_s = 0.5 + float(generator.uniform(0, 1.5)), []
    with doomed(tmp_path / "x", codec="ffv1" if seed else "h264") as child:
        start_s = time.monotonic()
        while time.monotonic() - start_s < moment_s:
            act(person, generator, len(sent_s), 1)
            sent_s += [time.monotonic()] * (len(person.sent) - len(sent_s))
            time.sleep(0.002)
        os.kill(child, signal.SIGKILL)
        killed_s = time.monotonic()
    told = events(tmp_path / "x")
    assert told == person.sent[: len(told)]
    assert len(told) >= sum(sent < killed_s - LATE_S for sent in sent_s)
    seen = pictures(tmp_path / "x")  # each that is named is there, too
    assert seen
    assert all(first < second for (first, _), (second, _) in pairwise(seen))
    source = OwamcapSource(tmp_path / "x.mcap")
    assert sum(len(source[index]) for index in range(len(source))) > 0


def test_the_benchmark_judges_a_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["recorder", "--seconds", "2", "--kills", "1", "--codec", "ffv1", "--output", str(tmp_path / "x.json")]
    monkeypatch.setattr(sys, "argv", words)
    recorder.main()
    ours = json.loads((tmp_path / "x.json").read_text())["ours"]
    assert (ours["lost"], ours["reordered"], ours["secret_frames"], ours["secret_keys"]) == (0, 0, 0, 0)
    assert ours["events"] == 96
    assert ours["kill_lost_s"]["events_s"] < LATE_S
