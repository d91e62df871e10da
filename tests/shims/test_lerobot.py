"""LeRobot's own commands with our policy, environments and dreams, on tiny models."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lerobot.configs import PreTrainedConfig
from lerobot.envs.configs import EnvConfig
from lerobot.scripts import lerobot_eval, lerobot_train
from lerobot.utils.import_utils import register_third_party_plugins

import worldmodel
from policies.collect import collect
from tests.models import tiny
from worldmodel import checkpoint
from worldmodel.data.embodiments import PUSHT
from worldmodel.models.world_model import WorldModel
from worldmodel.types import InputError

register_third_party_plugins()
STEPS = 6
TRAINING = ("--steps=1", "--save_freq=1", "--batch_size=2", "--num_workers=0", "--wandb.enable=false")
EVALUATION = ("--eval.n_episodes=2", "--eval.batch_size=2", "--policy.device=cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint ``model`` and recordings ``data``."""
    folder = tmp_path_factory.mktemp("lerobot")
    torch.manual_seed(0)
    shape = tiny.model(32, 32).config
    model = WorldModel(replace(shape, backbone=replace(shape.backbone, read_state=True, text_buckets=16)), [PUSHT])
    checkpoint.save(model, folder / "model", card="# tiny", training={})
    collect(
        "worldmodel/PushT-v0", "explore", 2, folder / "data", max_steps=15, env_options={"size": 32}, progress=False
    )
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs one of LeRobot's commands in this process."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def call(main: Callable[[], object], *words: str) -> None:
        monkeypatch.setattr(sys, "argv", [main.__module__, *words])
        main()

    return call


def train(run: Callable[..., None], folder: Path, output: Path, *words: str) -> Path:
    data = ("--dataset.repo_id=local/tiny", f"--dataset.root={folder / 'data'}", f"--output_dir={output}")
    run(lerobot_train.main, "--policy.device=cpu", "--policy.push_to_hub=false", *data, *TRAINING, *words)
    return output / "checkpoints/last/pretrained_model"


def scores(output: Path) -> dict:
    return json.loads((output / "eval_info.json").read_text())["overall"]


def test_fine_tuned_by_lerobot_it_is_a_checkpoint_for_both(run: Callable[..., None], folder: Path, tmp_path: Path):
    start = f"--policy.checkpoint={folder / 'model'}"
    trained = train(run, folder, tmp_path / "train", "--policy.type=worldmodel", start)
    before, after = (worldmodel.load(path).state_dict() for path in (folder / "model", trained))
    assert any((after[key] != before[key]).any() for key in before if key.startswith("backbone"))
    assert all((after[key] == before[key]).all() for key in before if key.startswith("tokenizer"))
    env = ("--env.type=worldmodel", "--env.task=PushT", "--env.size=32", '--env.options={"max_episode_steps": 6}')
    run(lerobot_eval.main, f"--policy.path={trained}", *env, *EVALUATION, f"--output_dir={tmp_path / 'eval'}")
    assert scores(tmp_path / "eval")["n_episodes"] == 2
    assert len(list((tmp_path / "eval/videos").rglob("*.mp4"))) == 2


def test_any_policy_is_scored_in_the_dream(run: Callable[..., None], folder: Path, tmp_path: Path):
    small = ("chunk_size=4", "n_action_steps=4", "dim_model=32", "n_heads=2", "dim_feedforward=32", "latent_dim=8")
    options = [f"--policy.{option}" for option in (*small, "n_encoder_layers=1", "pretrained_backbone_weights=null")]
    act = train(run, folder, tmp_path / "act", "--policy.type=act", *options)
    dream = ("--env.type=worldmodel_dream", f"--env.checkpoint={folder / 'model'}", f"--env.episode_length={STEPS}")
    for name, policy in (("act", act), ("ours", folder / "model")):
        output = tmp_path / f"eval_{name}"
        run(lerobot_eval.main, f"--policy.path={policy}", *dream, *EVALUATION, f"--output_dir={output}")
        assert np.isfinite(scores(output)["avg_sum_reward"])
        assert len(list((output / "videos").rglob("*.mp4"))) == 2


def test_features_are_named_as_in_data_sets(folder: Path):
    make = EnvConfig.get_choice_class("worldmodel")
    config = make(task="TablePush", options={"cameras": ["fixed", "wrist"]})
    assert set(config.features_map.values()) == {
        "action",
        "observation.state",
        "observation.images.fixed",
        "observation.images.wrist",
    }
    assert (config.fps, config.gym_id) == (10, "worldmodel/TablePush-v0")
    dream = EnvConfig.get_choice_class("worldmodel_dream")(checkpoint=str(folder / "model"), task="PushT")
    assert set(dream.features_map) == {"action", "pixels", "agent_pos"}
    dreams = dream.create_envs(2)["worldmodel_dream"][0]
    assert dreams.call("_max_episode_steps") == (300, 300)
    assert len(dreams.call("task_description")) == 2


def test_mistakes_are_named(folder: Path):
    with pytest.raises(InputError, match=r"env.task 'Nope', wanted one of: .*PushT-v0"):
        EnvConfig.get_choice_class("worldmodel")(task="Nope")
    make = PreTrainedConfig.get_choice_class("worldmodel")
    start = {"checkpoint": str(folder / "model"), "device": "cpu"}
    with pytest.raises(InputError, match="embodiment 'arm', the model knows pusht"):
        _ = make(embodiment="arm", **start).body
    with pytest.raises(InputError, match="execute 7, wanted 1 to 6"):
        make(execute=7, **start)
    with pytest.raises(InputError, match="found no pictures"):
        make(**start).validate_features()
