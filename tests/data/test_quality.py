from dataclasses import replace

import numpy as np
import pytest

from tests.dot_world import DotSource
from worldmodel.data.cache import load_recordings, quarantine_path
from worldmodel.data.quality import Damage, find_damage, good_episodes, read_quarantine, write_quarantine
from worldmodel.types import InputError


def changed(episode, reason):
    """The episode with one thing wrong."""
    frames = next(iter(episode.frames.values()))
    if reason == "short":
        return replace(
            episode,
            frames={"pixels": frames[:1]},
            actions=episode.actions[:1],
            action_mask=episode.action_mask[:1],
            state=None if episode.state is None else episode.state[:1],
            reward=None,
            success=None,
        )
    if reason == "black":
        return replace(episode, frames={"pixels": np.zeros_like(frames)})
    if reason == "frozen":
        return replace(episode, frames={"pixels": np.repeat(frames[:1], len(frames), 0)})
    if reason == "constant actions":
        return replace(episode, actions=np.full_like(episode.actions, 3.0))
    assert reason == "unreadable"
    actions = episode.actions.copy()
    actions[2] = np.nan
    return replace(episode, actions=actions)


class Damaged(DotSource):
    """Episodes of which some have something wrong, by index."""

    def __init__(self, lengths, wrong):
        super().__init__(lengths)
        self.wrong = wrong

    def __getitem__(self, index):
        if self.wrong.get(index) == "raises":
            raise InputError(f"dots: episode {index} cut off, wanted all of it")
        episode = super().__getitem__(index)
        return changed(episode, self.wrong[index]) if index in self.wrong else episode


@pytest.mark.parametrize("reason", ["short", "black", "frozen", "constant actions"])
def test_what_is_wrong_is_named(reason):
    episode = DotSource((14,))[0]
    assert find_damage(episode, 0) is None
    damage = find_damage(changed(episode, reason), 0)
    assert damage is not None
    assert damage.reason == reason
    assert damage.numbers


def test_kept_and_left_out_add_up():
    wrong = {1: "black", 2: "raises", 4: "unreadable"}
    damaged: list[Damage] = []
    kept = list(good_episodes(Damaged((14,) * 6, wrong), damaged))
    assert len(kept) == 3
    assert [damage.index for damage in damaged] == [1, 2, 4]
    assert [damage.reason for damage in damaged] == ["black", "unreadable", "unreadable"]
    assert "cut off" in damaged[1].detail


def test_quarantine_is_read_as_written(tmp_path):
    damaged: list[Damage] = []
    list(good_episodes(Damaged((14,) * 3, {0: "frozen"}), damaged))
    write_quarantine(tmp_path / "quarantine.json", 3, damaged)
    assert read_quarantine(tmp_path / "quarantine.json") == damaged
    assert read_quarantine(tmp_path / "none.json") == []


def test_training_leaves_damaged_episodes_out_and_keeps_the_numbers_of_the_others(tmp_path):
    source = Damaged((14, 20, 16), {1: "raises"})
    recordings = load_recordings("dots", source, tmp_path, 32, 32)
    assert np.diff(recordings.starts).tolist() == [14, 0, 16]
    assert [damage.index for damage in read_quarantine(quarantine_path(tmp_path, "dots"))] == [1]


def test_nothing_that_can_be_used_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"none of 2 episodes can be used, wanted one \(first: black"):
        load_recordings("dots", Damaged((14, 14), {0: "black", 1: "raises"}), tmp_path, 32, 32)
