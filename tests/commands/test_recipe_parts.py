"""The measures at the end of a recipe."""

import json
from pathlib import Path

import gymnasium
import numpy as np

from tests.commands.running import SIZE_PX
from worldmodel.commands.recipe_parts import evaluate
from worldmodel.config import load_config
from worldmodel.data.embodiments import GRIPPER, PUSHT
from worldmodel.models.backbone_config import BackboneConfig
from worldmodel.models.tokenizer import TokenizerConfig
from worldmodel.models.world_model import WorldModel, WorldModelConfig

RIVALS = {"ShortPush-v0": {"random", "expert", "noisy-expert"}, "ShortT-v0": {"random", "explore"}}
SHAPE = WorldModelConfig(
    SIZE_PX,
    SIZE_PX,
    TokenizerConfig(stem_width=8, width=8, blocks=1),
    BackboneConfig(width=32, layers=4, heads=2, registers=1, chunk=8, chunk_tokens=2),
    sampling_steps=1,
)


def held_out(recordings: Path, output: Path) -> list[str]:
    """Overrides for a run of ``configs/tiny.yaml`` on these recordings."""
    explore = ["--datasets.explore.path", str(recordings), "--datasets.explore.held_out", "0.4"]
    return ["--output", str(output), *explore]


def test_a_model_of_two_bodies_acts_in_two_environments(recordings: Path, tmp_path: Path) -> None:
    for name, entry in zip(RIVALS, ("envs.tablepush:TablePush", "envs.pusht:PushT"), strict=True):
        gymnasium.register(name, entry_point=entry, max_episode_steps=3)
    envs = "[gymnasium:ShortPush-v0, gymnasium:ShortT-v0]"
    words = held_out(recordings, tmp_path)
    words += ["--evaluation", f"{{windows: 2, horizon: 4, envs: {envs}, episodes: 2}}"]
    config = load_config("configs/tiny.yaml", words)
    metrics = evaluate(WorldModel(SHAPE, [PUSHT, GRIPPER]).eval(), config, tmp_path / "report")
    assert set(metrics) == {"policies", "explore"}
    for name, rivals in RIVALS.items():
        measured = metrics["policies"][f"gymnasium:{name}"]
        assert set(measured["references"]) == rivals
        assert measured["episodes"] == 2
        page = tmp_path / "report" / f"gymnasium:{name}"
        assert json.loads((page / "metrics.json").read_text())["policy"]["env"] == f"gymnasium:{name}"
        assert len(list(page.glob("policy_*.mp4"))) == 2
    assert np.isfinite(metrics["explore"]["frames"]["psnr_db"])


def test_a_dataset_of_short_episodes_is_named_and_left_out(recordings: Path, tmp_path: Path, capsys) -> None:
    model = WorldModel(SHAPE, [PUSHT]).eval()
    words = held_out(recordings, tmp_path)
    config = load_config("configs/tiny.yaml", [*words, "--evaluation", "{windows: 2, horizon: 500, envs: []}"])
    assert evaluate(model, config, tmp_path / "report") == {}
    assert "explore: dreams are not measured" in capsys.readouterr().err
    assert (tmp_path / "report" / "report.html").exists()
