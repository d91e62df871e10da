from dataclasses import replace

import numpy as np
import pytest

from tests.dot_world import SIZE_PX, DotModel, make_episode
from worldmodel.label import WINDOW, infer_whole, label_episode
from worldmodel.types import InputError


@pytest.mark.parametrize("length", [2, 3, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW + 3, 37, 400])
def test_every_action_of_a_recording_is_inferred_once(length: int) -> None:
    episode = make_episode(0, length)
    assert np.array_equal(infer_whole(DotModel(), episode.frames["top"]), episode.actions[:-1])


def test_unlabelled_video_becomes_an_episode_of_the_models_body() -> None:
    known = make_episode(0, 30)
    zeros = np.zeros((30, 0), np.float32)
    video = replace(known, embodiment="video", actions=zeros, action_mask=np.zeros(30, bool), state=None)
    labelled = label_episode(DotModel(), video)
    assert labelled.embodiment == "dot"
    assert np.array_equal(labelled.actions[:-1], known.actions[:-1])
    assert labelled.action_mask.tolist() == [True] * 29 + [False]
    assert labelled.licence == known.licence
    labelled.validate()


def test_another_bodys_state_and_reward_go() -> None:
    other = replace(make_episode(0, 5), embodiment="other", reward=np.ones(5, np.float32), success=np.ones(5, bool))
    labelled = label_episode(DotModel(), other)
    assert (labelled.state, labelled.reward, labelled.success) == (None, None, None)


def test_pictures_of_another_size_are_brought_to_the_models_and_kept_as_they_are() -> None:
    episode = make_episode(0, 6)
    large = replace(episode, frames={"top": episode.frames["top"].repeat(2, 1).repeat(2, 2)})
    labelled = label_episode(DotModel(), large)
    assert labelled.frames["top"].shape == (6, 2 * SIZE_PX, 2 * SIZE_PX, 3)
    assert np.array_equal(labelled.actions[:-1], episode.actions[:-1])


@pytest.mark.parametrize(
    ("change", "told"),
    [({"fps": 30.0}, "30 frames/s, wanted 10"), ({"embodiment": "dot"}, "has 1 frame, wanted at least 2")],
)
def test_what_cannot_be_labelled(change: dict, told: str) -> None:
    with pytest.raises(InputError, match=told):
        label_episode(DotModel(), replace(make_episode(0, 1 if "embodiment" in change else 5), **change))


def test_unknown_camera() -> None:
    with pytest.raises(InputError, match="no camera 'side'"):
        label_episode(DotModel(), make_episode(0, 5), camera="side")
