import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.dot_world import CopyLastModel, DotModel, DotSource
from worldmodel.metrics import PERFECT_DB
from worldmodel.rollout import clip, rollout
from worldmodel.types import InputError


def test_a_perfect_model_dreams_whole_episodes(tmp_path: Path) -> None:
    source = DotSource((12, 9))
    metrics = rollout(DotModel(), source, tmp_path / "out", progress=False)
    for index in range(2):
        saved = np.load(tmp_path / "out" / f"episode_{index:04d}.npz")
        assert np.array_equal(saved["real"], source[index].frames["top"])
        assert np.array_equal(saved["dreamed"], saved["real"][4:])
        assert np.array_equal(saved["actions"], source[index].actions[:-1])
        assert metrics["episodes"][f"episode_{index:04d}"]["frames"]["psnr_db"] == PERFECT_DB
        film = (tmp_path / "out" / f"episode_{index:04d}.mp4").read_bytes()
        assert film[4:8] == b"ftyp"
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == metrics


def test_copying_scores_as_its_own_reference(tmp_path: Path) -> None:
    options: dict[str, Any] = {"episodes": [1], "steps": 5, "context_frames": 2, "progress": False}
    metrics = rollout(CopyLastModel(), DotSource(), tmp_path, **options)
    frames = metrics["episodes"]["episode_0001"]["frames"]
    assert frames["changed_psnr_db"] == frames["copy_last"]["changed_psnr_db"]
    assert len(frames["by_horizon"]["psnr_db"]) == 5
    assert np.load(tmp_path / "episode_0001.npz")["real"].shape == (7, 32, 32, 3)
    assert not (tmp_path / "episode_0000.npz").exists()


def test_a_clip_follows_the_alignment_rule() -> None:
    frames, actions = clip(DotModel(), DotSource()[0], start=5, length=6)
    assert np.array_equal(DotModel().infer_actions(frames[None])[0], actions)


@pytest.mark.parametrize(
    ("lengths", "options", "message"),
    [
        ((12,), {"episodes": [1]}, "no episode 1, wanted 0 to 0"),
        ((12,), {"episodes": [-1]}, "no episode -1"),
        ((4,), {}, "has 4 frames, wanted more than the context of 4"),
        ((12,), {"camera": "wrist"}, "no camera 'wrist', wanted one of top"),
    ],
)
def test_impossible_wishes_are_named(
    tmp_path: Path, lengths: tuple[int, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        rollout(DotModel(), DotSource(lengths), tmp_path, progress=False, **options)
    assert list(tmp_path.iterdir()) == []


def test_unknown_actions_and_bodies_are_named(tmp_path: Path) -> None:
    source = DotSource((12, 12))
    source[0].action_mask[6] = False
    with pytest.raises(InputError, match="unknown actions between frames 0 and 12"):
        rollout(DotModel(), source, tmp_path, progress=False)
    source[0].embodiment = "crab"
    with pytest.raises(InputError, match="embodiment 'crab', the model knows dot"):
        rollout(DotModel(), source, tmp_path, progress=False)


def test_an_output_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file: .*wanted a folder"):
        rollout(DotModel(), DotSource(), tmp_path / "file", progress=False)
