"""That the benchmarks run; what they find depends on the machine and is not judged here."""

import json
import sys

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from benchmarks import ablations, browser, collect, dream, loader, people, play, policy, rollout, scenes, steps
from tests.envs.browsing import MISSING, REASON
from tests.models import tiny
from tests.tiny_run import OVERRIDES
from worldmodel.cli import build_parser, main
from worldmodel.data.embodiments import GRIPPER
from worldmodel.models.world_model import WorldModel


def test_every_loader_gives_batches(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(loader, "BATCH", 8)
    result = loader.measure_speed(tmp_path, episodes=1, frames=24, repeats=1)
    assert result["ours"].keys() == {f"{kind}_windows_per_s" for kind in ("video", "latents", "frames")}
    assert result["peers"]["lerobot_pyav"]["windows_per_s"] > 0
    assert result["ratio"]["lerobot_pyav"].keys() == {"video", "latents", "frames"}
    videos = tmp_path / "dataset/videos"
    loader.iterate("cache", videos, tmp_path / "clips")
    loader.iterate("video", videos, tmp_path / "clips")
    assert all(float(line) > 0 for line in capsys.readouterr().out.split()[-2:])
    result["ours"]["memory"] = {"cache_growth": 0.02}
    loader.show(result)
    assert "lerobot_pyav" in capsys.readouterr().out


def test_all_loaders_are_given_the_same_content():
    episode = loader.make_episode(0, 20)
    assert episode.validate() is episode
    np.testing.assert_array_equal(episode.actions[:-1], episode.state[1:])
    assert np.abs(np.diff(episode.frames["pixels"].astype(int), axis=0)).max() > 50


def test_scenes_are_timed_with_and_without_pictures(capsys):
    row = scenes.measure("TablePush", size=32, steps=3, default_steps=1, repeats=1)
    assert row.keys() == {"step", "frame", "default", "ratio"}
    assert min(row.values()) > 0
    rates = {"steps_per_s": row["step"], "frames_per_s": row["frame"]}
    scenes.show(
        {
            "ours": {"TablePush": rates},
            "peers": {"mujoco_default": {"TablePush": row["default"]}},
            "ratio": {"mujoco_default": {"TablePush": row["ratio"]}},
        }
    )
    assert "TablePush" in capsys.readouterr().out


def test_rollouts_are_timed(capsys, monkeypatch):
    monkeypatch.setattr(rollout, "FRAMES", 3)
    monkeypatch.setattr(rollout.importlib.util, "find_spec", lambda name: None)
    config = tiny.model(32, 32).config
    row = rollout.compare(config, batch=2, repeats=1, decode=False, engines=("eager", "int8"))
    assert row["ours_eager"]["frames_per_s"] > 0
    assert 0 < row["ours_eager"]["matmul_share"] < 1
    assert row["ours_int8"].keys() == {"frames_per_s"}
    row |= {"dreamer4": {"frames_per_s": 2.0}, "dreamer4_parameters": 7}
    row["ours_eager"]["ratio"] = row["ours_int8"]["ratio"] = 3.5
    rollout.show([row], {"width": {"96": 1.5}})
    result = rollout.by_who([row])
    assert result["ours"]["batch_2_latents"]["eager"]["frames_per_s"] == row["ours_eager"]["frames_per_s"]
    assert result["peers"]["dreamer4"]["batch_2_latents"] == {"parameters": 7, "frames_per_s": 2.0}
    assert result["ratio"]["dreamer4"]["batch_2_latents"] == {"eager": 3.5, "int8": 3.5}
    assert "ours_eager" in capsys.readouterr().out


def test_dreams_are_timed_beside_the_scene(tmp_path, capsys, monkeypatch):
    model = WorldModel(tiny.model(32, 32).config, [GRIPPER]).eval()
    monkeypatch.setattr(dream, "load_model", lambda checkpoint, engine: (model, checkpoint))
    monkeypatch.setattr(dream, "AT_ENDS", 2)
    small = ["--envs", "2", "--steps", "2", "--default-steps", "1", "--repeats", "1", "--long", "4", "--threads", "1"]
    monkeypatch.setattr(sys, "argv", ["dream", *small, "--output", str(tmp_path / "dream.json")])
    dream.main()
    assert "mujoco_default_2_envs" in capsys.readouterr().out
    result = json.loads((tmp_path / "dream.json").read_text())
    peers = {"mujoco_default", "mujoco_default_2_envs", "our_settings"}
    assert result["peers"].keys() == result["ratio"].keys() == peers
    assert min(result["ratio"].values()) > 0
    assert result["ours"]["weights"] == "table"
    assert result["ours"]["growth"]["memory_mib_at_the_end"] > 0


def test_without_a_checkpoint_weights_of_its_shape_dream(monkeypatch):
    monkeypatch.setattr(dream, "shipped", list)
    model, weights = dream.load_model("table", "eager")
    assert (model.frame_size, weights) == ((64, 64), "random, shape of configs/table.yaml")


# In place of the program, whose imports alone take seconds: it makes what is waited for.
FAKE = """
import pathlib, sys
folder = pathlib.Path(sys.argv[-1], "meta")
folder.mkdir(parents=True)
(folder / "info.json").touch()
"""


def test_collections_are_timed(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(collect, "PROGRAM", FAKE)
    words = collect.words_of("TablePush-v0", "expert", 5, 2, tmp_path / "set")
    asked = build_parser().parse_args(words)
    assert (asked.env, asked.policy, asked.episodes, asked.workers) == ("TablePush-v0", "expert", 5, 2)
    output = tmp_path / "collect.json"
    monkeypatch.setattr(sys, "argv", ["collect", "--episodes", "5", "--repeats", "1", "--output", str(output)])
    collect.main()
    assert "two workers" in capsys.readouterr().out
    assert json.loads(output.read_text())["ratio"]["one_worker"].keys() == {"seconds", "start_s", "episodes_per_s"}
    monkeypatch.setattr(collect, "PROGRAM", "raise SystemExit(2)")
    with pytest.raises(SystemExit, match="collect failed: collect --env"):
        collect.main()


@pytest.mark.skipif(MISSING, reason=REASON)
def test_the_browser_is_timed_and_played(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(browser, "make_peer", lambda task: None)
    output = tmp_path / "browser.json"
    small = ["--timed-steps", "2", "--repeats", "1", "--tasks", "1", "--steps", "3", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", ["browser", *small])
    browser.main()
    assert "1 tasks: 1 without crash or hang, 1 repeatable" in " ".join(capsys.readouterr().out.split())
    result = json.loads(output.read_text())
    assert result["ours"]["steps_per_s"] > 0
    assert (result["peers"], result["ratio"]) == ({}, {})


@pytest.mark.skipif(MISSING, reason=REASON)
def test_people_are_counted(tmp_path, capsys, monkeypatch):
    output = tmp_path / "people.json"
    words = ["people", "--tasks", "focus-text,click-color", "--seeds", "2", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", words)
    people.main()
    assert "click-color 1.00 0.34 to 1.00" in " ".join(capsys.readouterr().out.replace("│", " ").split())
    tasks = json.loads(output.read_text())["ours"]["tasks"]
    assert [row["success_rate"] for row in tasks.values()] == [1.0, 1.0]
    assert all(3 <= row["mean_ticks"] < 30 and row["failed_seeds"] == [] for row in tasks.values())


def test_policies_are_timed(capsys, monkeypatch):
    model = tiny.model(32, 32)
    latency = policy.measure(policy.our_policy(model, 2), repeats=2)
    assert latency["ours"]["times_ours"] == 1.0
    assert latency["ours"]["actions_per_s"] == 2 * latency["ours"]["chunks_per_s"]
    scores = {"mean_score": 0.5, "ci95": [0.4, 0.6], "ms_per_action": 1.0}
    policy.show(latency, {"off": scores})
    assert "imagining" in capsys.readouterr().out
    result = policy.by_who({**latency, "lerobot act": latency["ours"] | {"times_ours": 4.0}}, {"off": scores})
    assert result["ours"]["play"] == {"off": scores}
    assert result["peers"]["lerobot act"]["parameters"] == latency["ours"]["parameters"]
    assert result["ratio"] == {"lerobot act": 4.0}


@pytest.mark.parametrize("name", [*ablations.TRIALS, *ablations.TOKENIZERS, *ablations.LABELS])
def test_a_trial_changes_what_its_name_says_and_trains_no_stage_without_need(name, tmp_path):
    config = ablations.trial_config(name, "configs/pusht.yaml", tmp_path, [])
    assert ("pretrain" in config.stages) == name.endswith("video_first")
    base = ablations.trial_config("base", "configs/pusht.yaml", tmp_path, [])
    assert (config == base) == (name == "base")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    assert main(["run", "configs/tiny.yaml", *OVERRIDES, "--output", str(folder)]) == 0
    return folder


def test_trials_train_on_the_latents_of_a_run_and_go_on_where_they_stopped(run, tmp_path, monkeypatch, capsys):
    short = ["--stages.midtrain.steps", "2", "--stages.tokenizer.steps", "2", "--stages.midtrain.act_share", "0.5"]
    only = ["--only", "tokenizer_8x", "--windows", "2", "--output", str(tmp_path / "trials")]
    words = ["--config", "configs/tiny.yaml", "--run", str(run), *only, *OVERRIDES, *short]
    monkeypatch.setattr(sys, "argv", ["ablations", *words])
    ablations.main()
    told = capsys.readouterr().out
    assert "base" in told
    assert "tokenizer_8x" in told
    monkeypatch.setattr(ablations, "run_trial", None)
    ablations.main()
    assert "tokenizer_8x" not in capsys.readouterr().out


def test_trials_that_begin_with_weights_read_actions_with_fresh_heads(run, tmp_path, monkeypatch):
    begun = []
    monkeypatch.setattr(ablations, "train_stage", lambda model, *_: begun.append(model.state_dict()))
    words = ["--init", str(run / "checkpoint"), *OVERRIDES]
    config = ablations.trial_config("classes", "configs/tiny.yaml", run, words)
    ablations.run_trial(config, run, tmp_path / "classes", 2, own_tokenizer=False)
    trained = load_file(run / "checkpoint/model.safetensors")
    assert torch.equal(begun[0]["backbone.patch_in.weight"], trained["backbone.patch_in.weight"].float())
    assert not any(begun[0][f"backbone.{head}_out.weight"].any() for head in ("action", "chunk"))


def test_heads_of_actions_are_forgotten_and_nothing_else():
    backbone = tiny.backbone()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    ablations.forget_actions(backbone)
    after = backbone.state_dict()
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed == {f"{head}_out.{part}" for head in ("action", "chunk") for part in ("weight", "bias")}


def test_quality_is_drawn_against_steps(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(steps, "STEPS", (1, 2))
    words = ["--run", str(run), "--checkpoints", str(run / "checkpoint"), "--windows", "2", "--output", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["steps", *words])
    capsys.readouterr()
    steps.main()
    assert "dB above copy-last" in capsys.readouterr().out
    assert cv2.imread(str(tmp_path / "steps.png")) is not None


def test_players_wait_for_frames(run, tmp_path, monkeypatch, capsys):
    words = ["--checkpoint", str(run / "checkpoint"), "--frames", "3", "--output", str(tmp_path / "play.json")]
    monkeypatch.setattr(sys, "argv", ["play", *words])
    play.main()
    assert "p95" in capsys.readouterr().out
    assert (tmp_path / "play.json").exists()
