"""Help, and what the command line says to a mistake."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.commands.running import SIZE_PX, files_below, run
from tests.data.making import write_hdf5
from worldmodel import cli
from worldmodel.types import InputError

COMMANDS = (
    "demo",
    "play",
    "run",
    "train",
    "rollout",
    "eval",
    "score",
    "collect",
    "record",
    "convert",
    "data",
    "info",
    "label",
)

# Help.


def test_help_of_the_program_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        run("--help")
    shown = capsys.readouterr().out
    assert all(f"\n    {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_has_examples_that_parse(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        run(name, "--help")
    shown = capsys.readouterr().out
    examples = [line.split()[1:] for line in shown.split("examples:")[1].splitlines() if line.strip()]
    assert examples
    for words in examples:
        args, overrides = cli.build_parser().parse_known_args(words)
        assert args.overrides is not None or not overrides


# Mistakes: exit code 2, one line that names the matter, nothing written.

MISTAKES = {
    "no dataset": ("info nowhere.hdf5", "nowhere.hdf5: no such file or folder"),
    "not a dataset": ("info text.txt", "text.txt: unknown format"),
    "truncated recordings": ("convert truncated.hdf5 out", "truncated.hdf5: not a whole HDF5 file"),
    "NaN in actions": (
        "rollout --checkpoint tiny --data nan.hdf5 --episodes 1 --output out",
        "000001: actions hold NaN",
    ),
    "unknown engine": (
        "rollout --checkpoint tiny --data good.hdf5 --engine fast --output out",
        "engine: found 'fast', wanted one of: eager, compiled, int8",
    ),
    "odd frame size": ("run tiny --model.height 20 --output out", "20"),
    "folder in use": ("convert good.hdf5 full", "full: folder is not empty"),
    "file in the way": ("convert good.hdf5 text.txt/out", "text.txt is a file"),
    "unknown environment": ("collect --env Nope --policy random --episodes 1 --output out", "worldmodel/PushT-v0"),
    "foreign environment": ("collect --env no_such_package:Nope-v0 --policy random --episodes 1 --output out", "Nope"),
    "unknown policy": ("collect --env PushT-v0 --policy nope --episodes 1 --output out", "random, idle, explore"),
    "bad option": ("collect --env PushT-v0 --policy random --episodes 1 --env-option size --output out", "KEY=VALUE"),
    "bad option of eval": ("eval --checkpoint tiny --env PushT-v0 --env-option size --output out", "KEY=VALUE"),
    "foreign option": ("eval --checkpoint tiny --env PushT-v0 --env-option depth=2 --output out", "'depth': 2"),
    "bad env size": ("collect --env PushT-v0 --policy random --episodes 1 --env-option size=20 --output out", "20x20"),
    "no episodes": ("collect --env PushT-v0 --policy random --episodes 0 --output out", "from 1 on"),
    "unknown checkpoint": ("rollout --checkpoint nope --data good.hdf5 --output out", "shipped are"),
    "other version": ("rollout --checkpoint other --data good.hdf5 --output out", "format_version 99, wanted 1"),
    "no weights": ("label --checkpoint hollow --data good.hdf5 --output out", "hollow/model.safetensors"),
    "weights cut short": ("info cut", "cut/model.safetensors: cannot be read"),
    "nothing but NaN": ("info nothing.hdf5", "no usable episode among 2"),
    "unknown format": ("info good.hdf5 --format zarr", "format 'zarr' is unknown, wanted one of: aloha"),
    "wrong format": ("convert good.hdf5 out --format robomimic", "no group demo_N"),
    "no such episode": ("rollout --checkpoint tiny --data good.hdf5 --episodes 9 --output out", "no episode 9"),
    "no such camera": ("rollout --checkpoint tiny --data good.hdf5 --camera back --output out", "no camera 'back'"),
    "nothing to score": ("eval --checkpoint tiny --output out", "neither --data nor --env"),
    "two things to score": ("eval --checkpoint tiny --tokenizer tiny --data good.hdf5 --output out", "either --ch"),
    "tokenizer in an env": ("eval --tokenizer tiny --env PushT-v0 --output out", "wanted --data and no --env"),
    "unknown tokenizer": ("eval --tokenizer nope --data good.hdf5 --output out", "nope: no such tokenizer"),
    "checkpoint resized": ("eval --checkpoint tiny --size 32 32 --data good.hdf5 --output out", "--size is for"),
    "unknown contender": ("score --policies nope --env PushT-v0 --dream tiny --output out", "random, idle, explore"),
    "contender twice": ("score --policies random random --env PushT-v0 --dream tiny --output out", "each once"),
    "nobody's dream": ("score --policies random --env PushT-v0 --dream nope --output out", "nope"),
    "unknown rival": ("eval --checkpoint tiny --env PushT-v0 --beside nope --output out", "random, idle, explore"),
    "no recipe": ("run nope", "nope: no such file"),
    "recipe is a folder": ("run full", "full: a folder"),
    "unknown key": ("run tiny --sede 1", "sede"),
    "unknown nested key": ("run tiny --stages.tokenizer.stepz 1", "stepz"),
    "wrong type": ("run tiny --seed many", "seed"),
    "word without key": ("run tiny --output", "--output"),
    "which stage": ("train tiny", "wanted --stage tokenizer or"),
    "no such stage": ("train tiny --stage nope --output out", "nope"),
    "unknown option": ("demo --fast", "unrecognized arguments: --fast (see worldmodel demo --help)"),
    "unknown command": ("fly", "invalid choice: 'fly'"),
    "no command": ("", "COMMAND"),
    "delete what": ("data delete full", "full: neither --episode nor --source"),
    "delete nowhere": ("data delete nowhere --episode 1", "nowhere: no such folder"),
    "delete from no dataset": ("data delete full --source me", "full/meta/info.json: cannot be read"),
    "no such cache": ("data delete full --source me --cache nowhere", "nowhere: no such folder"),
    "do what with data": ("data", "ACTION"),
    "no such task": ("collect --env Drawer-v0 --task shake --policy expert --episodes 1 --output out", "task 'shake'"),
    "several tasks": (
        "collect --env Drawer-v0 --task open,close --policy expert --episodes 1 --output out",
        "environment 'worldmodel/Drawer-v0' refuses its options {'task': ['open', 'close']}",
    ),
    "no task": ("collect --env PushT-v0 --task push --policy random --episodes 1 --output out", "refuses its options"),
    "wander where": ("collect --env PushT-v0 --policy wander --episodes 1 --output out", "PushT has no 'evaluate'"),
    "no picture of a checkpoint": ("info tiny --contact-sheet sheet.png", "not a data set"),
}


@pytest.fixture
def place(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with good and bad things in it, as the current one."""
    monkeypatch.chdir(tmp_path)
    write_hdf5(tmp_path / "good.hdf5", size=SIZE_PX)
    actions = np.zeros((9, 2), np.float32)
    actions[7] = np.nan
    write_hdf5(tmp_path / "nan.hdf5", size=SIZE_PX, action=actions)
    write_hdf5(tmp_path / "nothing.hdf5", size=SIZE_PX, action=np.full((9, 2), np.nan, np.float32))
    (tmp_path / "truncated.hdf5").write_bytes((tmp_path / "good.hdf5").read_bytes()[:3000])
    (tmp_path / "text.txt").write_text("nothing to see\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    for name in ("tiny", "other", "hollow", "cut"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_bytes((tiny / "config.json").read_bytes())
        (tmp_path / name / "model.safetensors").write_bytes((tiny / "model.safetensors").read_bytes())
    config = json.loads((tiny / "config.json").read_text())
    (tmp_path / "other/config.json").write_text(json.dumps(config | {"format_version": 99}))
    (tmp_path / "hollow/model.safetensors").unlink()
    (tmp_path / "cut/model.safetensors").write_bytes((tiny / "model.safetensors").read_bytes()[:900])
    return tmp_path


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_line(mistake: str, place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words, wanted = MISTAKES[mistake]
    before = files_below(place)
    try:
        code = run(*words.split())
    except SystemExit as stop:
        code = stop.code
    told = capfd.readouterr().err
    assert code == 2
    assert told.startswith("worldmodel: ")
    assert told.count("\n") == 1
    assert wanted in told
    assert files_below(place) == before


def test_the_line_comes_from_the_installed_program_too(place: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("worldmodel"), "info", "nowhere"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "worldmodel: nowhere: no such file or folder, wanted a dataset\n"


def test_an_unwritable_place_is_told_before_any_work(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("convert", recordings, "/proc/nowhere/data") == 2
    assert capsys.readouterr().err.startswith("worldmodel: /proc/nowhere/data: ")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("cannot mount a small disk here")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk(small_disk: Path, recordings: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("convert", recordings, small_disk / "data") == 2
    told = capfd.readouterr().err.splitlines()[-1]
    assert told.startswith("worldmodel: ")
    assert str(small_disk) in told
    assert os.strerror(errno.ENOSPC) in told
    assert files_below(small_disk) == []


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (InputError("a: two\nlines"), "a: two lines"),
        (
            OSError(errno.ENOSPC, "full", "/disk/file"),
            "/disk/file: No space left on device, wanted a place to write to",
        ),
        (OSError(errno.EROFS, "read-only"), "out: Read-only file system, wanted a place to write to"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "out: No space left on device, wanted"),
        (ValueError("a bug"), None),
        (FileNotFoundError(errno.ENOENT, "a bug", "x"), None),
    ],
)
def test_whose_mistake_it_was(raised: Exception, told: str | None) -> None:
    line = cli.explain(raised, "out")
    assert line is None if told is None else (line or "").startswith(told)


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("worldmodel.commands.info.call", broken)
    with pytest.raises(ZeroDivisionError):
        run("info", "envs")


@pytest.mark.parametrize("as_lightning_does", [False, True])
def test_an_interrupt_says_how_to_go_on(
    as_lightning_does: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(args: object) -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            if not as_lightning_does:
                raise
            raise SystemExit(1)  # noqa: B904

    monkeypatch.setattr("worldmodel.commands.convert.call", interrupted)
    assert run("convert", "a", "b") == 130
    assert capsys.readouterr().err == "worldmodel: interrupted; the same command continues where it stopped\n"
