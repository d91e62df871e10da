"""LeRobot's commands with the simulated arm, on a tiny model."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lerobot.scripts import lerobot_record, lerobot_replay, lerobot_rollout, lerobot_train

import worldmodel
from tests.models import tiny
from tests.shims.arm import POSITIONS, QUIET, ROBOT
from worldmodel import checkpoint
from worldmodel.data.embodiments import GRIPPER
from worldmodel.data.open import open_dataset
from worldmodel.models.world_model import WorldModel


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs one of LeRobot's commands in this process."""

    def call(main: Callable[[], object], *words: str) -> None:
        monkeypatch.setattr(sys, "argv", [main.__module__, *words])
        main()

    return call


def tiny_checkpoint(folder: Path) -> Path:
    torch.manual_seed(0)
    shape = tiny.model(32, 32).config
    model = WorldModel(replace(shape, backbone=replace(shape.backbone, read_state=True)), [GRIPPER])
    checkpoint.save(model, folder, card="# tiny", training={})
    return folder


def test_recorded_learnt_from_rolled_out_and_replayed(
    run: Callable[..., None], make: Callable[..., Any], tmp_path: Path
):
    data, model = tmp_path / "gripper", tiny_checkpoint(tmp_path / "model")
    dataset = ("--dataset.repo_id=local/gripper", f"--dataset.root={data}")
    times = ("--dataset.num_episodes=2", "--dataset.episode_time_s=0.4", "--dataset.reset_time_s=0.1")
    recording = (*dataset, *times, "--dataset.fps=10", "--dataset.single_task=Push.", "--dataset.push_to_hub=false")
    run(lerobot_record.main, *ROBOT, "--robot.seed=7", "--teleop.type=worldmodel", *recording, *QUIET)

    recordings = open_dataset(data)
    assert recordings.embodiments[0] == GRIPPER
    assert len(recordings) == 2
    for number in range(2):
        episode = recordings[number].validate()
        assert (list(episode.frames), episode.text) == (["fixed"], "Push.")
        assert episode.state is not None
        robot = make(seed=7 + number)
        assert episode.state[0] == pytest.approx([robot.get_observation()[name] for name in POSITIONS])

    training = ("--policy.type=worldmodel", f"--policy.checkpoint={model}", "--policy.device=cpu", "--steps=1")
    saving = ("--save_freq=1", "--batch_size=2", "--num_workers=0", f"--output_dir={tmp_path / 'train'}")
    run(lerobot_train.main, *dataset, *training, *saving, "--policy.push_to_hub=false", "--wandb.enable=false")
    trained = tmp_path / "train/checkpoints/last/pretrained_model"
    assert worldmodel.load(trained).embodiments[0].name == "gripper"

    for policy in (trained, model):  # one that LeRobot trained, and a checkpoint that it never saw
        looped = (f"--policy.path={policy}", "--device=cpu", "--fps=10", "--duration=0.4", "--task=Push.")
        run(lerobot_rollout.main, *ROBOT, *looped, "--return_to_initial_position=false", *QUIET)
    run(lerobot_replay.main, *ROBOT, *dataset, "--dataset.episode=1", *QUIET)


def test_a_policy_loop_is_recorded(run: Callable[..., None], make: Callable[..., Any], tmp_path: Path):
    data, model = tmp_path / "gripper", tiny_checkpoint(tmp_path / "model")
    dataset = ("--dataset.repo_id=local/rollout_gripper", f"--dataset.root={data}", "--dataset.push_to_hub=false")
    times = ("--dataset.num_episodes=2", "--dataset.episode_time_s=0.3", "--dataset.reset_time_s=0", "--dataset.fps=10")
    looped = (f"--policy.path={model}", "--device=cpu", "--fps=10", "--task=Push.", "--strategy.type=episodic")
    still = ("--strategy.reset_to_initial_position=false", "--return_to_initial_position=false")
    run(lerobot_rollout.main, *ROBOT, *looped, *still, *dataset, *times, *QUIET)
    recordings = open_dataset(data)
    assert len(recordings) == 2
    for number in range(2):
        state, robot = recordings[number].state, make(seed=number)
        assert state is not None
        assert state[0] == pytest.approx([robot.get_observation()[name] for name in POSITIONS])
