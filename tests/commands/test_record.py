"""``worldmodel record`` as a person types it, and what it says to mistakes."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from envs import extras
from tests.commands.running import files_below, run
from tests.envs.screen import Person, events, needs_screen, virtual_screen, wait_until
from tests.test_imports import loaded_by
from worldmodel.data.open import open_dataset

pytestmark = needs_screen


@pytest.fixture(scope="module")
def screen() -> Iterator[str]:
    with virtual_screen() as name:
        yield name


@pytest.fixture
def person(screen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    monkeypatch.setenv("DISPLAY", screen)
    monkeypatch.chdir(tmp_path)
    return Person(screen)


def meanwhile(act: Callable[[], None]) -> threading.Thread:
    """Acts when a recording named x has begun, which then has to run in the main thread, where signals arrive."""

    def wait_and_act() -> None:
        wait_until(lambda: Path("x.mcap").exists() and Path("x.mcap").stat().st_size > 0)
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread


def test_a_recording_becomes_a_dataset(person: Person, capsys: pytest.CaptureFixture[str]) -> None:
    person.window("plain", (20, 20, 100, 80), (20, 120, 220))

    def act() -> None:
        for x in range(40):
            person.move(x * 5, 100)
            time.sleep(0.02)
        person.type("a")

    thread = meanwhile(act)
    assert run("record", "x", "--seconds", 3, "--region", 0, 0, 160, 112) == 0
    thread.join()
    assert "x.mcap, x.mkv: 3.0 s, " in capsys.readouterr().out
    assert files_below(Path()) == ["x.mcap", "x.mkv"]
    assert run("info", "x.mcap") == 0
    assert run("convert", "x.mcap", "set", "--fps", 15) == 0
    dataset = open_dataset("set")
    (spec,) = dataset.embodiments
    assert (spec.name, spec.fps) == ("desktop", 15.0)
    episode = dataset[0]
    assert episode.frames["pixels"].shape[1:] == (112, 160, 3)
    assert 0 < len(episode) <= 46
    assert max(episode.actions[:, 0]) == 160.0  # clipped to the part that was recorded
    assert run("record", "x") == 2
    assert "x.mcap: exists, wanted a new recording" in capsys.readouterr().err


def test_it_pauses_and_stops_from_another_terminal(person: Person, capsys: pytest.CaptureFixture[str]) -> None:
    told = []

    def act() -> None:
        person.type("a")
        for word in ("--pause", "--pause", "--stop"):
            time.sleep(0.5)
            told.append(run("record", "x", word))
            time.sleep(0.5)
            person.type("b")

    thread = meanwhile(act)
    assert run("record", "x", "--fps", 10) == 0
    thread.join()
    assert told == [0, 0, 0]
    assert "4 events" in capsys.readouterr().out  # without the first b, which was typed in the pause
    assert run("record", "x", "--stop") == 2
    assert "no recorder is writing there" in capsys.readouterr().err
    Path("dead.lock").write_text(str(os.getpid()))  # what a killed recorder leaves
    assert run("record", "dead", "--pause") == 2


def test_other_keys(person: Person) -> None:
    def act() -> None:
        person.type("a")
        for key in ("F1", "F2"):  # pauses, redacts
            person.press(key, True)
            time.sleep(1.0)  # it repeats, and counts once
            person.press(key, False)
            person.tap("z")
            person.tap(key)
        person.tap("F9")
        person.tap("F3")
        person.tap("z")

    thread = meanwhile(act)
    assert run("record", "x", "--pause-key", "F1", "--redact-key", "F2", "--stop-key", "F3") == 0
    thread.join()
    f9 = [{"event_type": kind, "vk": 120} for kind in ("press", "release")]
    assert events(Path("x")) == [*person.sent, *f9]


MISTAKES = {
    "no such codec": ("record x --codec h265", "codec 'h265' is unknown, wanted one of: h264, ffv1"),
    "outside": (
        "record x --region 0 0 4000 100",
        "region 0 0 4000 100 (X Y WIDTH HEIGHT), wanted 16 px or more within 320x240",
    ),
    "too small": ("record x --region 10 10 15 15", "wanted 16 px or more"),
    "too many ticks": ("convert clip.mp4 out --fps 61", "wanted at most 60"),
    "too fast": ("record x --fps 1000", "1000 pictures per second, wanted at most 60"),
    "no name": ("record .mkv", ".mkv: no name of a file"),
    "no such key": ("record x --stop-key Nope", "no key 'Nope' on this keyboard"),
    "one key for two": ("record x --stop-key F9", "wanted different ones"),
    "no browser": ("record x --browser 1", "no browser answers at port 1"),
    "file in the way": ("record file/x", "file is a file, wanted a folder to write to"),
    "ticks of what has none": ("convert clip.mp4 out --fps 15", "--fps"),
}


@pytest.mark.parametrize(("line", "wanted"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(person: Person, line: str, wanted: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").touch()
    Path("clip.mp4").touch()
    assert run(*line.split()) == 2
    error = capsys.readouterr().err
    assert error.startswith("worldmodel: ")
    assert error.count("\n") == 1
    assert wanted in error
    assert files_below(Path()) == ["clip.mp4", "file"]


def test_without_a_screen(person: Person, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DISPLAY", ":9999")
    assert run("record", "x") == 2
    assert "display ':9999' does not answer" in capsys.readouterr().err
    monkeypatch.delenv("DISPLAY")
    assert run("record", "x") == 2
    assert "DISPLAY is not set, wanted a running X11 screen" in capsys.readouterr().err
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    assert run("record", "x") == 2
    assert "package 'Xlib' is not installed, wanted: pip install 'worldmodel[desktop]'" in capsys.readouterr().err


def test_it_is_loaded_only_when_it_is_used() -> None:
    use = "import worldmodel.cli, envs\nworldmodel.cli.build_parser()"
    assert not loaded_by(use, ("Xlib", "mss", "envs.screen"))
