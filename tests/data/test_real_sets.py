"""Real recordings of every kind, converted, and read back by lerobot itself: the same frames, actions and states."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lerobot.datasets.lerobot_dataset import LeRobotDataset

from tests.data.making import SHARED
from worldmodel.commands.datasets import write_lerobot
from worldmodel.data.lerobot_tables import camera_key
from worldmodel.data.open import open_dataset
from worldmodel.data.quality import QUARANTINE, read_good
from worldmodel.types import Episode

CRF = 12  # what `worldmodel convert` uses unless told otherwise
LEAST_DB = 35.0  # PSNR of the frames of one camera in one episode
EPISODES = {  # set -> (episodes to convert, all or the first; how many of them are left out)
    "bridge_rlds": (25, 0),
    "desktop_owa/0.4.2.mcap": (1, 0),  # the two are of different sizes, so each becomes a set
    "desktop_owa/0.5.1.mcap": (1, 0),
    "droid_actions": (2, 0),
    "droid_video": (2, 0),
    "pusht_human.hdf5": (1, 0),
}


def psnr_db(found: np.ndarray, wanted: np.ndarray) -> float:
    """Peak signal-to-noise ratio over all frames of an episode, in dB."""
    error = np.square(found.astype(np.float32) - wanted).mean()
    return float(10 * np.log10(255.0**2 / max(float(error), 1e-10)))


def compare(dataset: LeRobotDataset, start: int, episode: Episode) -> float:
    """Checks the rows of an episode, from row ``start`` on; returns the PSNR of its worst camera, in dB."""
    rows: list[Any] = [dataset[start + t] for t in range(len(episode))]
    if episode.actions.shape[1]:
        actions = np.stack([row["action"].numpy() for row in rows])
        np.testing.assert_allclose(actions, episode.actions, rtol=0, atol=1e-6)
    if episode.state is not None:
        state = np.stack([row["observation.state"].numpy() for row in rows])
        np.testing.assert_allclose(state, episode.state, rtol=0, atol=1e-6)
    np.testing.assert_array_equal([bool(row["info.action_known"]) for row in rows], episode.action_mask)
    assert rows[0]["task"] == (episode.text or "")
    values = []
    for name, frames in episode.frames.items():
        key = camera_key(name, tuple(episode.frames))
        values.append(psnr_db(np.stack([row[key].permute(1, 2, 0).numpy() for row in rows]), frames))
    return min(values)


@pytest.mark.parametrize("name", EPISODES)
def test_a_real_set_comes_back_through_lerobot(tmp_path: Path, name: str):
    if not (SHARED / name).exists():
        pytest.skip("shared data are not here")
    source, output = open_dataset(SHARED / name), tmp_path / "set"
    count, left_out = EPISODES[name]
    spec = source.embodiments[0]
    told = write_lerobot(
        partial(read_good, source), count, output, spec, title="converting", recipe={"test": name}, crf=CRF
    )
    gone: set[int] = set()
    if told:
        gone = {entry["index"] for entry in json.loads((output / QUARANTINE).read_text())["episodes"]}
    assert (told, len(gone)) == (left_out, left_out)
    kept = [index for index in range(count) if index not in gone]
    dataset = LeRobotDataset("local/set", root=output, video_backend="pyav", return_uint8=True)
    assert dataset.num_episodes == len(kept)
    start = 0
    for index in kept:
        episode = source[index]
        assert compare(dataset, start, episode) >= LEAST_DB, f"episode {index}"
        start += len(episode)
    assert start == len(dataset)
