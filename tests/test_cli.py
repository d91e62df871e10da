"""The command line as a person uses it: what each command does on tiny data, and what it says to a mistake."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import gymnasium
import h5py
import numpy as np
import pytest

from tests import tiny_run
from tests.data.making import write_hdf5
from worldmodel import checkpoint, cli
from worldmodel.data.embodiments import PUSHT
from worldmodel.data.open import open_dataset
from worldmodel.demo import run_demo
from worldmodel.models.backbone import BackboneConfig
from worldmodel.models.tokenizer import TokenizerConfig
from worldmodel.models.world_model import WorldModel, WorldModelConfig
from worldmodel.types import InputError

COMMANDS = ("demo", "run", "train", "rollout", "eval", "collect", "convert", "info", "label")
SIZE_PX = 32


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real checkpoint with random weights."""
    tokenizer = TokenizerConfig(stem_width=8, width=8, blocks=1)
    backbone = BackboneConfig(width=32, layers=4, heads=2, registers=1, chunk=8, chunk_tokens=2)
    model = WorldModel(WorldModelConfig(SIZE_PX, SIZE_PX, tokenizer, backbone, sampling_steps=1), [PUSHT])
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    return checkpoint.save(model, folder, card="# tiny\n", training={"stage": "none"})


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Three Push-T episodes in an HDF5 file."""
    return write_hdf5(tmp_path / "recordings.hdf5", ends=(24, 50, 74), size=SIZE_PX)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "results" / "output"


def run(*words: object) -> int:
    return cli.main([str(word) for word in words])


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


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
    "NaN in actions": ("convert nan.hdf5 out", "nan.hdf5: episode 000001: actions hold NaN"),
    "odd frame size": ("run tiny --model.height 20 --output out", "20"),
    "folder in use": ("convert good.hdf5 full", "full: folder is not empty"),
    "file in the way": ("convert good.hdf5 text.txt/out", "text.txt is a file"),
    "unknown environment": ("collect --env Nope --policy random --episodes 1 --output out", "worldmodel/PushT-v0"),
    "foreign environment": ("collect --env no_such_package:Nope-v0 --policy random --episodes 1 --output out", "Nope"),
    "unknown policy": ("collect --env PushT-v0 --policy nope --episodes 1 --output out", "random, explore"),
    "bad option": ("collect --env PushT-v0 --policy random --episodes 1 --env-option size --output out", "KEY=VALUE"),
    "bad env size": ("collect --env PushT-v0 --policy random --episodes 1 --env-option size=20 --output out", "20x20"),
    "no episodes": ("collect --env PushT-v0 --policy random --episodes 0 --output out", "from 1 on"),
    "unknown checkpoint": ("rollout --checkpoint nope --data good.hdf5 --output out", "shipped are"),
    "other version": ("rollout --checkpoint other --data good.hdf5 --output out", "format_version 99, wanted 1"),
    "no weights": ("label --checkpoint hollow --data good.hdf5 --output out", "hollow/model.safetensors"),
    "weights cut short": ("info cut", "cut/model.safetensors: cannot be read"),
    "no such episode": ("rollout --checkpoint tiny --data good.hdf5 --episodes 9 --output out", "no episode 9"),
    "no such camera": ("rollout --checkpoint tiny --data good.hdf5 --camera back --output out", "no camera 'back'"),
    "nothing to score": ("eval --checkpoint tiny --output out", "neither --data nor --env"),
    "unknown rival": ("eval --checkpoint tiny --env PushT-v0 --beside nope --output out", "random, explore"),
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


# What the commands do.


def test_info_shows_a_dataset_with_pictures(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("info", recordings, "--contact-sheet", tmp_path / "sheet.png") == 0
    shown = capsys.readouterr().out
    assert "3 (3 read for this table)" in shown
    assert "target_x" in shown
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_info_shows_a_checkpoint(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", tiny) == 0
    shown = capsys.readouterr().out
    assert "32x32 px" in shown
    assert "embodiment pusht" in shown


def test_info_shows_environments(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", "envs") == 0
    assert "worldmodel/PushT-v0" in capsys.readouterr().out


def test_collect_continues(output: Path) -> None:
    words = ("collect", "--env", "PushT-v0", "--max-steps", 5, "--env-option", "size=32", "--output", output)
    assert run(*words, "--policy", "explore", "--episodes", 1) == 0
    first = open_dataset(output)[0]
    assert run(*words, "--policy", "explore", "--episodes", 2) == 0
    source = open_dataset(output)
    assert len(source) == 2
    assert np.array_equal(source[0].actions, first.actions)
    assert source[1].frames["pixels"].shape == (5, 32, 32, 3)


def test_collect_with_a_checkpoint(tiny: Path, output: Path) -> None:
    words = ("--env", "PushT-v0", "--policy", tiny, "--max-steps", 3, "--episodes", 1, "--output", output)
    assert run("collect", *words) == 0
    assert len(open_dataset(output)[0]) == 3


def test_convert_keeps_everything(recordings: Path, output: Path) -> None:
    assert run("convert", recordings, output) == 0
    before, after = open_dataset(recordings), open_dataset(output)
    assert len(after) == len(before)
    for index in range(len(before)):
        assert np.array_equal(after[index].actions, before[index].actions)
        assert np.array_equal(after[index].state, before[index].state)
        assert np.abs(after[index].frames["pixels"].astype(int) - before[index].frames["pixels"]).mean() < 2
    assert after[0].licence == "MIT"
    assert files_below(output.parent) == [f"output/{name}" for name in files_below(output)]


def test_convert_continues_after_an_interrupt(recordings: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from worldmodel.data.diffusion_policy import DiffusionPolicySource

    read, asked = DiffusionPolicySource.__getitem__, []

    def interrupted_at_2(self: DiffusionPolicySource, index: int) -> object:
        asked.append(index)
        if index == 2:
            raise KeyboardInterrupt
        return read(self, index)

    monkeypatch.setattr(DiffusionPolicySource, "__getitem__", interrupted_at_2)
    assert run("convert", recordings, output) == 130
    assert not output.exists()
    monkeypatch.setattr(DiffusionPolicySource, "__getitem__", lambda self, i: asked.append(i) or read(self, i))
    asked.clear()
    assert run("convert", recordings, output) == 0
    assert asked == [0, 2]
    assert len(open_dataset(output)) == 3


def test_convert_resizes(recordings: Path, output: Path) -> None:
    assert run("convert", recordings, output, "--size", 16, 48) == 0
    assert open_dataset(output)[0].frames["pixels"].shape[1:3] == (16, 48)


def test_label(tiny: Path, recordings: Path, output: Path) -> None:
    assert run("label", "--checkpoint", tiny, "--data", recordings, "--output", output) == 0
    before, after = open_dataset(recordings)[0], open_dataset(output)[0]
    assert after.actions.shape == before.actions.shape
    assert not np.array_equal(after.actions, before.actions)
    assert after.action_mask.tolist() == [True] * 23 + [False]


def test_rollout(tiny: Path, recordings: Path, output: Path) -> None:
    words = ("--checkpoint", tiny, "--data", recordings, "--episodes", 1, "--steps", 5, "--output", output)
    assert run("rollout", *words) == 0
    assert files_below(output) == ["episode_0001.mp4", "episode_0001.npz", "metrics.json"]
    assert np.load(output / "episode_0001.npz")["dreamed"].shape == (5, SIZE_PX, SIZE_PX, 3)


def test_eval(tiny: Path, recordings: Path, output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gymnasium.register("ShortPushT-v0", entry_point="envs.pusht:PushT", max_episode_steps=10)
    words = ("--checkpoint", tiny, "--windows", 3, "--horizon", 4, "--episodes", 1, "--env", "gymnasium:ShortPushT-v0")
    assert run("eval", *words, "--data", recordings, "--output", output) == 0
    metrics = json.loads((output / "metrics.json").read_text())
    assert {"frames", "control", "actions", "rollout", "policy"} <= metrics.keys()
    assert metrics["policy"]["env"] == "gymnasium:ShortPushT-v0"
    assert "</html>" in (output / "report.html").read_text()
    assert "frames.changed_psnr_db" in capsys.readouterr().out


def test_demo(tiny: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worldmodel.commands.demo.CHECKPOINT", str(tiny))
    monkeypatch.setattr("worldmodel.demo.run_demo", partial(run_demo, steps=12))
    assert run("demo", "--output", output) == 0
    assert files_below(output) == ["demo.gif", "demo.mp4", "metrics.json"]


def test_run_and_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("tiny", "--output", "runs/soon", *tiny_run.OVERRIDES)
    assert run("train", *words, "--stage", "tokenizer") == 0
    weights = (tmp_path / "runs/soon/tokenizer/checkpoint/model.safetensors").stat().st_mtime_ns
    assert run("run", *words) == 0
    assert (tmp_path / "runs/soon/tokenizer/checkpoint/model.safetensors").stat().st_mtime_ns == weights
    assert (tmp_path / "runs/soon/report/report.html").is_file()
    assert run("info", "runs/soon/checkpoint") == 0


def test_recordings_that_change_under_the_program(recordings: Path, output: Path) -> None:
    with h5py.File(recordings, "a") as file:
        file["data/action"][60] = np.nan
    assert run("convert", recordings, output) == 2
    assert files_below(output.parent) == []
