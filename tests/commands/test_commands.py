"""What each command does on tiny data, as a person uses it."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from envs import extras
from tests import tiny_run
from tests.commands.running import SIZE_PX, files_below, run
from tests.data.making import write_hdf5
from worldmodel.data.open import open_dataset
from worldmodel.demo import run_demo
from worldmodel.types import InputError


def test_info_shows_a_dataset_with_pictures(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("info", recordings, "--contact-sheet", tmp_path / "sheet.png") == 0
    shown = capsys.readouterr().out
    assert "3 (3 read for this table)" in shown
    assert "target_x" in shown
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_info_names_problems_and_takes_a_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    actions = np.zeros((9, 2), np.float32)
    actions[7] = np.nan
    path = write_hdf5(tmp_path / "some.hdf5", size=SIZE_PX, action=actions)
    assert run("info", path, "--format", "diffusion_policy") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "2 (2 read for this table)" in shown
    assert "unreadable" in shown
    assert "actions hold NaN" in shown


def test_info_shows_a_checkpoint(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", tiny) == 0
    shown = capsys.readouterr().out
    assert "32x32 px" in shown
    assert "embodiment pusht" in shown


def test_info_shows_environments(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", "envs") == 0
    shown = capsys.readouterr().out
    for name in ("PushT", "TablePush", "PickPlace", "Drawer", "MetaWorld", "Aloha"):
        assert f"worldmodel/{name}-v0" in shown


def test_info_says_what_an_environment_needs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda module: None)
    assert run("info", "envs") == 0
    shown = capsys.readouterr().out
    assert "worldmodel/PushT-v0" in shown
    assert "worldmodel[metaworld]" in shown
    assert "worldmodel[aloha]" in shown


def test_collect_continues(output: Path) -> None:
    words = ("collect", "--env", "PushT-v0", "--max-steps", 5, "--env-option", "size=32", "--output", output)
    assert run(*words, "--policy", "explore", "--episodes", 1) == 0
    first = open_dataset(output)[0]
    assert run(*words, "--policy", "explore", "--episodes", 2) == 0
    source = open_dataset(output)
    assert len(source) == 2
    assert np.array_equal(source[0].actions, first.actions)
    assert source[1].frames["pixels"].shape == (5, 32, 32, 3)


def test_collect_names_the_task(output: Path) -> None:
    words = ("--env", "Drawer-v0", "--task", "close", "--env-option", "size=32", "--policy", "expert", "--max-steps", 2)
    assert run("collect", *words, "--episodes", 1, "--output", output) == 0
    assert open_dataset(output)[0].text == "Close the drawer."


def test_collect_with_a_checkpoint(tiny: Path, output: Path) -> None:
    words = ("--env", "PushT-v0", "--policy", tiny, "--max-steps", 3, "--episodes", 1, "--output", output)
    assert run("collect", *words) == 0
    assert len(open_dataset(output)[0]) == 3


def test_convert_keeps_everything(recordings: Path, output: Path) -> None:
    assert run("convert", recordings, output, "--crf", 0) == 0
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


def test_convert_leaves_out_what_is_damaged_and_says_so(
    recordings: Path, output: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from worldmodel.data.diffusion_policy import DiffusionPolicySource

    read = DiffusionPolicySource.__getitem__

    def damaged_at_0_and_small_at_2(self: DiffusionPolicySource, index: int) -> object:
        if index == 0:
            raise InputError("recordings.hdf5: episode 0 cut off, wanted all of it")
        episode = read(self, index)
        small = {"pixels": episode.frames["pixels"][:, :16, :16]}
        return replace(episode, frames=small) if index == 2 else episode

    monkeypatch.setattr(DiffusionPolicySource, "__getitem__", damaged_at_0_and_small_at_2)
    assert run("convert", recordings, output) == 0
    assert "2 of 3 episodes left out" in capsys.readouterr().out
    assert len(open_dataset(output)) == 1
    told = json.loads((output / "quarantine.json").read_text())
    assert (told["read"], told["kept"], told["quarantined"]) == (3, 1, 2)
    assert [damage["reason"] for damage in told["episodes"]] == ["unreadable", "unlike the first"]


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


def test_rollout_by_another_engine(tiny: Path, recordings: Path, output: Path) -> None:
    words = ("--checkpoint", tiny, "--data", recordings, "--episodes", 1, "--steps", 5, "--engine", "int8")
    assert run("rollout", *words, "--output", output) == 0
    assert json.loads((output / "metrics.json").read_text())


def test_eval(tiny: Path, recordings: Path, output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gymnasium.register("ShortPushT-v0", entry_point="envs.pusht:PushT", max_episode_steps=10)
    words = ("--checkpoint", tiny, "--windows", 3, "--horizon", 4, "--episodes", 1, "--env", "gymnasium:ShortPushT-v0")
    words += ("--env-option", f"size={SIZE_PX}")
    assert run("eval", *words, "--data", recordings, "--output", output) == 0
    metrics = json.loads((output / "metrics.json").read_text())
    assert {"frames", "control", "actions", "rollout", "policy"} <= metrics.keys()
    assert metrics["policy"]["env"] == "gymnasium:ShortPushT-v0"
    assert metrics["policy"]["env_options"] == {"size": SIZE_PX}
    assert "</html>" in (output / "report.html").read_text()
    assert "frames.changed_psnr_db" in capsys.readouterr().out


def test_score(tiny: Path, output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--env", "PushT-v0", "--env-option", f"size={SIZE_PX}", "--dream", tiny, "--episodes", 3, "--max-steps", 6)
    assert run("score", "--policies", "random", "explore", *words, "--output", output) == 0
    metrics = json.loads((output / "metrics.json").read_text())
    assert (metrics["env"], metrics["max_steps"]) == ("worldmodel/PushT-v0", 6)
    score = metrics["score"]
    assert set(score) == {"policies", "pearson", "spearman", "mmrv", "optimism_gap", "mean_score"}
    assert [result["again"] for result in score["policies"].values()] == [False, True]
    films = [f"policy_{policy}_{film}.mp4" for policy in range(2) for film in range(2)]
    assert files_below(output) == ["metrics.json", *films, "report.html", "score.png"]
    assert (output / "score.png").read_bytes().startswith(b"\x89PNG")
    page = (output / "report.html").read_text()
    assert page.count("<img") == 4
    assert "does again in the dream" in page
    shown = capsys.readouterr().out
    assert "explore" in shown
    assert "optimism_gap" in shown


def test_eval_of_tokenizers(tiny: Path, recordings: Path, output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--tokenizer", tiny, "--data", recordings, "--size", 32, 48, "--output", output)
    assert run("eval", *words) == 0
    metrics = json.loads((output / "metrics.json").read_text())
    assert (metrics["data"]["height"], metrics["data"]["width"]) == (32, 48)
    assert metrics["tokenizers"].keys() == {str(tiny)}
    assert "bytes per frame" in capsys.readouterr().out


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
    training = json.loads((tmp_path / "runs/soon/checkpoint/config.json").read_text())["training"]
    assert len(training["episodes"]["explore"]) == 3  # of four, one is held out
    assert run("info", "runs/soon/checkpoint") == 0
