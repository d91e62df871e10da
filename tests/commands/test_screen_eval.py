"""Screens on the command line: measures of dreams, labels, and a recipe that trains on them and scores tasks."""

import json
from pathlib import Path
from typing import Any

import gymnasium
import pytest

from envs.tablepush import TablePush
from tests.commands.running import run
from tests.screen.button_world import HEIGHT, SCREEN, WIDTH, ButtonSource
from worldmodel import checkpoint
from worldmodel.commands.recipe_parts import evaluate
from worldmodel.config import load_config
from worldmodel.data.embodiments import GRIPPER, PUSHT
from worldmodel.data.lerobot_writer import LeRobotWriter
from worldmodel.data.open import open_dataset
from worldmodel.models.backbone_config import BackboneConfig
from worldmodel.models.tokenizer import TokenizerConfig
from worldmodel.models.world_model import WorldModel, WorldModelConfig

TOKENIZER = TokenizerConfig(stem_width=8, width=8, blocks=1)
BACKBONE = BackboneConfig(width=32, layers=4, heads=2, registers=1, chunk=8, chunk_tokens=2)


@pytest.fixture(scope="module")
def buttons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of presses."""
    folder = tmp_path_factory.mktemp("data") / "buttons"
    writer = LeRobotWriter(folder, SCREEN.fps, SCREEN, HEIGHT, WIDTH, ["screen"])
    for episode in ButtonSource(2).episodes:
        writer.add(episode)
    writer.close()
    return folder


@pytest.fixture(scope="module")
def clerk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a screen's body, with random weights."""
    model = WorldModel(WorldModelConfig(HEIGHT, WIDTH, TOKENIZER, BACKBONE, sampling_steps=1), [SCREEN])
    return checkpoint.save(model, tmp_path_factory.mktemp("checkpoints") / "clerk", card="# clerk\n", training={})


def test_eval_measures_screens(clerk: Path, buttons: Path, output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("eval", "--checkpoint", clerk, "--data", buttons, "--windows", 4, "--ocr", "--output", output) == 0
    screen = json.loads((output / "metrics.json").read_text())["screen"]
    assert set(screen) == {"pointer", "transitions", "events", "typed"}
    assert len(screen["pointer"]["by_horizon"]["missing"]) == 16
    assert screen["transitions"]["count"] == 4
    assert screen["events"]["left"]["count"] > 0
    assert screen["typed"] == {"count": 0.0}, "nobody types in them"
    assert "screen.transitions.majority" in capsys.readouterr().out
    assert "dreamed mouse pointer" in (output / "report.html").read_text()


def test_text_is_read_from_screens_only(
    tiny: Path, recordings: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("eval", "--checkpoint", tiny, "--data", recordings, "--ocr", "--output", output) == 2
    assert "has no screens, wanted recordings of somebody with a pointer" in capsys.readouterr().err


def test_labels_of_screens_agree_or_not(
    clerk: Path, buttons: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("label", "--checkpoint", clerk, "--data", buttons, "--output", output) == 0
    found = json.loads((output / "agreement.json").read_text())
    assert found["actions"] == 2 * 89
    assert found["events"]["left"]["count"] == 16
    assert "f1 of left (16)" in capsys.readouterr().out
    confidence = open_dataset(str(output))[0].confidence
    assert confidence is not None
    assert ((confidence >= 0) & (confidence <= 1)).all()


class Tasked(TablePush):
    """A scene with tasks, all the same."""

    def __init__(self, task: str = "push", **options: Any) -> None:
        super().__init__(**options)
        self.task = task


def test_a_recipe_scores_every_task(recordings: Path, tmp_path: Path) -> None:
    gymnasium.register("Tasked-v0", entry_point=Tasked, max_episode_steps=3)
    shape = WorldModelConfig(32, 32, TOKENIZER, BACKBONE, sampling_steps=1)
    words = ["--output", str(tmp_path), "--datasets.explore.path", str(recordings)]
    words += ["--datasets.explore.held_out", "0"]
    words += [
        "--evaluation",
        "{envs: [gymnasium:Tasked-v0], tasks: [push, shove], episodes: 2, parallel: 1, max_steps: 2, beside: [random]}",
    ]
    model = WorldModel(shape, [PUSHT, GRIPPER]).eval()
    metrics = evaluate(model, load_config("configs/tiny.yaml", words), tmp_path / "report")
    assert set(metrics["policies"]) == {"push", "shove"}
    assert metrics["policies"]["shove"]["env_options"] == {"task": "shove"}
    assert metrics["policies"]["push"]["parallel"] == 1
    assert set(metrics["policies"]["push"]["references"]) == {"random"}
    assert (tmp_path / "report/shove/metrics.json").is_file()
