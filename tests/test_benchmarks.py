"""That the benchmarks run; what they find depends on the machine and is not judged here."""

import numpy as np

from benchmarks import loader, scenes


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
