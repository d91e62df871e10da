"""Training on the dot world: exact resume, what is written, and that the whole recipe learns."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from torch._dynamo.exc import TorchDynamoException

from tests.dot_world import DotSource
from tests.tiny_run import no_collect, no_evaluation
from worldmodel.config import load_config
from worldmodel.data.lerobot_writer import LeRobotWriter
from worldmodel.recipe import _key, run_recipe
from worldmodel.types import InputError

ROOT = Path(__file__).parents[1]
GOLDEN = Path(__file__).with_name("golden_losses.json")
RECIPE = """
name: dots
output: {output}
datasets:
  dots: {{path: {data}, held_out: 0.2, licence: CC0-1.0}}
model:
  height: 32
  width: 32
  tokenizer: {{channels: 4, width: 8, stem_width: 8, blocks: 1}}
  backbone: {{width: 32, layers: 2, heads: 2, time_every: 2, window: 4, chunk: 3, chunk_tokens: 1}}
  sampling_steps: 1
stages:
  tokenizer:
    {{steps: 12, batch: 8, compile: false, validate_every: 6, save_every: 4, warmup: 2, equivariance: 0.5,
     decoder_share: 0.25}}
  pretrain: {{steps: 6, batch: 4, window: 4, compile: false, validate_every: 3, save_every: 2, warmup: 2}}
  midtrain:
    {{steps: 12, batch: 4, window: 4, compile: false, validate_every: 6, save_every: 4, warmup: 2, act_share: 0.5,
     act_window: 2, act_augment: {{share: 0.5}}}}
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings") / "dots"
    source = DotSource((20, 16, 14, 18, 12))
    writer = LeRobotWriter(folder, 10.0, source.embodiments[0], 32, 32, ["top"])
    for episode in source.episodes:
        writer.add(episode)
    writer.close()
    return folder


@pytest.fixture
def recipe(data, tmp_path):
    def write(name="run"):
        path = tmp_path / f"{name}.yaml"
        path.write_text(RECIPE.format(output=tmp_path / name, data=data))
        return path

    return write


def weights(folder):
    return load_file(folder / "checkpoint" / "model.safetensors")


def test_a_run_killed_anywhere_ends_in_the_same_weights(recipe, tmp_path):
    run_recipe(load_config(str(recipe("whole"))), no_collect, no_evaluation)
    path = recipe("killed")
    code = (
        "import sys, torch; torch.set_num_threads(1)\n"
        "from worldmodel.config import load_config; from worldmodel.recipe import run_recipe\n"
        "run_recipe(load_config(sys.argv[1]), None, lambda *_: {})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT, stderr=subprocess.PIPE)
    while not (tmp_path / "killed/midtrain/last.ckpt").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    run_recipe(load_config(str(path)), no_collect, no_evaluation)
    whole, killed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert whole.keys() == killed.keys()
    for name, value in whole.items():
        np.testing.assert_array_equal(value, killed[name], err_msg=name)


def test_losses_are_those_written_down(recipe, tmp_path):
    """Every step's loss of a whole run. If they change on purpose: delete the file, run this test twice, commit it."""
    run_recipe(load_config(str(recipe())), no_collect, no_evaluation)
    losses = {}
    for stage in ("tokenizer", "pretrain", "midtrain"):
        with (tmp_path / "run" / stage / "metrics.csv").open(newline="") as file:
            losses[stage] = [float(row["loss/total"]) for row in csv.DictReader(file)]
    if not GOLDEN.exists():
        GOLDEN.write_text(json.dumps(losses, indent=1) + "\n")
        pytest.fail(f"{GOLDEN.name} was missing and is written anew")
    golden = json.loads(GOLDEN.read_text())
    assert golden.keys() == losses.keys()
    for stage, values in losses.items():
        np.testing.assert_allclose(values, golden[stage], rtol=0.02, err_msg=stage)


def test_a_machine_that_cannot_compile_is_told_how_to_go_on(recipe, monkeypatch):
    def fail(*_: object) -> None:
        raise TorchDynamoException("No working C++ compiler found\n\nSet TORCHDYNAMO_VERBOSE=1 ...")

    monkeypatch.setattr("worldmodel.stages.TokenizerStage._train_both", fail)
    with pytest.raises(InputError, match=r"stages.tokenizer.compile: .* \(No working C\+\+ compiler found\), wanted"):
        run_recipe(load_config(str(recipe())), no_collect, no_evaluation)


@pytest.mark.parametrize(("stage", "optimizer"), [("tokenizer", "adamw"), ("midtrain", "adamw"), ("midtrain", "muon")])
def test_a_stage_stopped_halfway_goes_on_exactly(recipe, tmp_path, monkeypatch, stage, optimizer):
    """Also when other processes load its batches from then on."""
    options = [f"--stages.{stage}.optimizer", optimizer]
    run_recipe(load_config(str(recipe("whole")), options), no_collect, no_evaluation)
    config = load_config(str(recipe("halves")), options)
    again = load_config(str(recipe("halves")), [*options, f"--stages.{stage}.workers", "2"])

    from worldmodel import train

    original, calls = train.Resume.on_train_batch_end, []

    def stop(self, trainer, *args):
        original(self, trainer, *args)
        if self.path.parent.name == stage and trainer.global_step == 8 and not calls:
            calls.append(1)
            raise KeyboardInterrupt

    monkeypatch.setattr(train.Resume, "on_train_batch_end", stop)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run_recipe(config, no_collect, no_evaluation)
    run_recipe(again, no_collect, no_evaluation)
    for name, value in weights(tmp_path / "whole").items():
        np.testing.assert_array_equal(value, weights(tmp_path / "halves")[name], err_msg=name)


def test_what_a_run_leaves_behind(recipe, tmp_path):
    config = load_config(str(recipe()), ["--wandb", "offline"])
    os.environ["WANDB_MODE"] = "offline"
    folder = run_recipe(config, no_collect, no_evaluation)
    os.environ["WANDB_MODE"] = "disabled"
    assert folder == tmp_path / "run/checkpoint"
    assert load_config(str(tmp_path / "run/config.yaml")) == config
    with (tmp_path / "run/midtrain/metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {"loss/frames", "loss/policy", "learning_rate", "frames_per_s"} <= rows[0].keys()
    assert float(rows[-1]["validation/dots/changed_psnr_db"]) > 0
    assert float(rows[-1]["validation/dots/copy_last/changed_psnr_db"]) > 0
    assert list((tmp_path / "run/midtrain").glob("wandb/offline-run-*"))
    card = (folder / "README.md").read_text()
    assert "license: apache-2.0" in card
    assert "CC0-1.0" in card
    assert json.loads((folder / "config.json").read_text())["training"]["seconds"].keys() == config.stages.keys()


def test_one_stage_at_a_time(recipe, tmp_path):
    config = load_config(str(recipe()))
    with pytest.raises(InputError, match="stage tokenizer is not finished"):
        run_recipe(config, no_collect, no_evaluation, only="midtrain")
    with pytest.raises(InputError, match="--stage: found 'finetune'"):
        run_recipe(config, no_collect, no_evaluation, only="finetune")
    assert run_recipe(config, no_collect, no_evaluation, only="tokenizer") == tmp_path / "run/tokenizer/checkpoint"


def test_how_weights_are_used_may_change_when_they_are_trained(recipe, tmp_path):
    path = str(recipe())
    run_recipe(load_config(path), no_collect, no_evaluation)
    trained = weights(tmp_path / "run")
    words = ["--model.execute", "2", "--model.action_steps", "3", "--model.sampling_steps", "5"]
    run_recipe(load_config(path, words), no_collect, no_evaluation)
    again = json.loads((tmp_path / "run/checkpoint/config.json").read_text())["model"]
    assert (again["execute"], again["action_steps"], again["sampling_steps"]) == (2, 3, 5)
    assert all(np.array_equal(value, trained[name]) for name, value in weights(tmp_path / "run").items())


def test_how_a_model_dreams_belongs_to_a_stage_that_goes_on_from_its_own_dreams(recipe):
    def key(*words: str) -> str:
        return _key(load_config(str(recipe()), list(words)), "midtrain")

    dreams, still = ["--stages.midtrain.rollout_window", "5"], ["--model.still_change", "0.3"]
    assert key() == key(*still)
    assert key(*dreams) != key(*dreams, *still)
    assert key(*dreams, *still) == key(*dreams, *still, "--model.execute", "2")


def test_a_run_may_begin_with_weights_that_were_used_otherwise(recipe, tmp_path):
    run_recipe(load_config(str(recipe())), no_collect, no_evaluation)
    begun = ["--init", str(tmp_path / "run/checkpoint"), "--output", str(tmp_path / "other")]
    words = ["--model.execute", "2", "--model.action_steps", "3", "--model.backbone.act_window", "1"]
    run_recipe(load_config(str(recipe()), [*begun, *words]), no_collect, no_evaluation, only="tokenizer")


def test_a_folder_of_another_configuration_is_refused(recipe):
    path = str(recipe())
    run_recipe(load_config(path), no_collect, no_evaluation, only="tokenizer")
    with pytest.raises(InputError, match="made with another configuration"):
        run_recipe(load_config(path, ["--seed", "1"]), no_collect, no_evaluation, only="tokenizer")


def test_a_damaged_resume_file_is_refused(recipe, tmp_path):
    path = str(recipe())
    (tmp_path / "run/tokenizer").mkdir(parents=True)
    (tmp_path / "run/tokenizer/last.ckpt").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"last\.ckpt: damaged"):
        run_recipe(load_config(path), no_collect, no_evaluation)


def test_init_of_another_shape_is_refused(recipe):
    path = str(recipe())
    folder = run_recipe(load_config(path), no_collect, no_evaluation, only="tokenizer")
    words = ["--init", str(folder), "--model.backbone.width", "64", "--output", str(folder) + "2"]
    with pytest.raises(InputError, match="its shape differs"):
        run_recipe(load_config(path, words), no_collect, no_evaluation)
