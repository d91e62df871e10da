"""LeRobot's own commands with our policy, environments and dreams, on tiny models."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lerobot.configs import PreTrainedConfig
from lerobot.envs.configs import EnvConfig
from lerobot.scripts import lerobot_eval, lerobot_train
from lerobot.utils.import_utils import register_third_party_plugins

import worldmodel
from benchmarks import act
from policies.collect import collect
from policies.lerobot_policy import BatchLeRobotPolicy
from tests.commands.running import run as run_ours
from tests.models import tiny
from worldmodel import checkpoint
from worldmodel.data.embodiments import PUSHT
from worldmodel.data.open import open_dataset
from worldmodel.models.world_model import WorldModel
from worldmodel.types import InputError

register_third_party_plugins()
STEPS = 6
TRAINING = ("--steps=1", "--save_freq=1", "--batch_size=2", "--num_workers=0", "--wandb.enable=false")
SMALL_ACT = (
    *("--policy.chunk_size=4", "--policy.n_action_steps=4", "--policy.dim_model=32", "--policy.n_heads=2"),
    *("--policy.dim_feedforward=32", "--policy.latent_dim=8", "--policy.n_encoder_layers=1"),
    "--policy.pretrained_backbone_weights=null",
)
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
    trained = train(run, folder, tmp_path / "act", "--policy.type=act", *SMALL_ACT)
    dream = ("--env.type=worldmodel_dream", f"--env.checkpoint={folder / 'model'}", f"--env.episode_length={STEPS}")
    for name, policy in (("act", trained), ("ours", folder / "model")):
        output = tmp_path / f"eval_{name}"
        run(lerobot_eval.main, f"--policy.path={policy}", *dream, *EVALUATION, f"--output_dir={output}")
        assert np.isfinite(scores(output)["avg_sum_reward"])
        assert len(list((output / "videos").rglob("*.mp4"))) == 2
    check_among_ours(trained, folder / "model", tmp_path)


def check_among_ours(trained: Path, model: Path, tmp_path: Path):
    """The same policy beside ours in our own commands: `worldmodel score`, `eval --beside` and `collect`."""
    env = ("--env", "PushT-v0", "--env-option", "size=32")
    words = ("--dream", model, "--episodes", 2, "--max-steps", STEPS, "--execute", 3)
    assert run_ours("score", "--policies", trained, model, *env, *words, "--output", tmp_path / "score") == 0
    score = json.loads((tmp_path / "score/metrics.json").read_text())["score"]
    assert {name: result["again"] for name, result in score["policies"].items()} == {
        str(trained): False,
        str(model): False,
    }
    words = ("--episodes", 1, "--max-steps", STEPS, "--output", tmp_path / "played")
    assert run_ours("collect", *env, "--policy", trained, *words) == 0
    assert len(open_dataset(tmp_path / "played")[0]) == STEPS


def test_act_is_trained_and_played_beside_ours(
    run: Callable[..., None], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def in_this_process(words: list[str], **_: object) -> None:
        assert Path(words[0]).name == "lerobot-train"
        run(lerobot_train.main, *words[1:])

    monkeypatch.setattr(act.subprocess, "run", in_this_process)
    monkeypatch.setattr(act, "EXECUTE", 4)
    monkeypatch.setattr(act, "CHUNK", 4)
    words = [
        "--data",
        folder / "data",
        folder / "data",
        "--env",
        "PushT-v0",
        "--size",
        32,
        "--checkpoint",
        folder / "model",
    ]
    words += ["--steps", 1, "--episodes", 1, "--max-steps", STEPS, "--output", tmp_path]
    small = [word.removeprefix("--") for word in SMALL_ACT if "chunk_size" not in word and "n_action" not in word]
    act.main([str(word) for word in (*words, "--train", "batch_size=2", "num_workers=0", *small)])
    found = json.loads((tmp_path / "act.json").read_text())
    assert found["peers"]["lerobot act"]["steps"] == 1
    assert found["ours"]["envs"]["worldmodel/PushT-v0"]["episodes"] == 1
    assert found["ours"]["parameters"] > 0
    minutes = found["peers"]["lerobot act"]["minutes"]
    act.main([str(word) for word in (*words, "--execute", 2)])  # is finished, and not trained again
    again = json.loads((tmp_path / "act.json").read_text())
    assert minutes < again["peers"]["lerobot act"]["minutes"] < minutes + 0.1


def test_a_policy_for_many_thinks_of_each_as_alone(run: Callable[..., None], folder: Path, tmp_path: Path):
    """ACT draws nothing, so what it does to one environment must not depend on the others, nor on who has finished."""
    policy = BatchLeRobotPolicy(train(run, folder, tmp_path / "act", "--policy.type=act", *SMALL_ACT))
    rng = np.random.default_rng(0)
    seen = [
        {"pixels": rng.integers(0, 256, (32, 32, 3), np.uint8), "agent_pos": rng.uniform(0, 512, 2).astype(np.float32)}
        for _ in range(3)
    ]
    policy.reset([0, 1, 2])
    together = [policy.act(dict(enumerate(seen))), policy.act({0: seen[0], 2: seen[2]})]
    assert set(together[1]) == {0, 2}
    policy.reset([2])
    alone = [policy.act({0: seen[2]})[0] for _ in range(2)]
    np.testing.assert_allclose([actions[2] for actions in together], alone, atol=1e-3)


def test_how_much_of_a_plan_is_carried_out_may_be_said(run: Callable[..., None], folder: Path, tmp_path: Path):
    trained = train(run, folder, tmp_path / "act", "--policy.type=act", *SMALL_ACT)
    config: Any = BatchLeRobotPolicy(trained, execute=1).policy.config
    assert config.n_action_steps == 1
    with pytest.raises(InputError, match=f"execute 99, wanted 1 to {config.chunk_size}"):
        BatchLeRobotPolicy(trained, execute=99)


def test_what_lerobot_cannot_load_is_told(folder: Path, tmp_path: Path):
    (tmp_path / "config.json").write_text('{"type": "act"}')
    with pytest.raises(InputError, match=r"LeRobot cannot load this policy .*, wanted one that it saved"):
        BatchLeRobotPolicy(tmp_path)


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


def test_without_a_word_the_checkpoint_says_how_much_of_a_plan_is_carried_out(folder: Path):
    make = PreTrainedConfig.get_choice_class("worldmodel")
    config = make(checkpoint=str(folder / "model"), device="cpu")
    assert config.execute == min(config.shape.execute, config.shape.backbone.chunk)
    fewer = make(checkpoint=str(folder / "model"), device="cpu", model={**config.model, "execute": 2})
    assert fewer.execute == 2


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
