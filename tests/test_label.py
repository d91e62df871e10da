from dataclasses import replace

import numpy as np
import pytest
from jaxtyping import Float32
from torch import Tensor

from tests.dot_world import SIZE_PX, DotModel, DotSource, make_episode
from worldmodel.label import WINDOW, agree, infer_whole, label_episode
from worldmodel.label_agreement import compare_labels
from worldmodel.types import ActionDim, ActionSpec, InputError


@pytest.mark.parametrize("length", [2, 3, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW + 3, 37, 400])
def test_every_action_of_a_recording_is_inferred_once(length: int) -> None:
    episode = make_episode(0, length)
    assert np.array_equal(infer_whole(DotModel(), episode.frames["top"])[0], episode.actions[:-1])


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


class Unsure(DotModel):
    """Reads one place after the other from noise where the goal is left of the middle, and the true one elsewhere."""

    def infer_actions(
        self, frames: np.ndarray | Tensor, *, embodiment: str | None = None, seed: int = 0
    ) -> Float32[np.ndarray, "b k a"]:
        true = super().infer_actions(frames)
        drawn = np.random.default_rng(seed).uniform(0, SIZE_PX, true.shape).astype(np.float32)
        return np.where(true[..., :1] < SIZE_PX / 2, drawn, true)


class Labelled(DotSource):
    def __init__(self, source: DotSource, model: DotModel) -> None:
        self.path, self.embodiments = "labelled", source.embodiments
        self.episodes = [label_episode(model, episode) for episode in source.episodes]


def test_confidence_is_the_share_of_draws_that_agree() -> None:
    episode = make_episode(0, 60)
    assert label_episode(DotModel(), episode).confidence.tolist() == [1.0] * 59 + [0.0]  # pyright: ignore
    confidence = label_episode(Unsure(), episode).confidence
    assert confidence is not None
    left = episode.actions[:-1, 0] < SIZE_PX / 2
    assert (confidence[:-1][~left] == 1.0).all()
    assert confidence[:-1][left].mean() < 0.2


def test_actions_agree_within_a_twentieth_of_their_range_and_with_the_same_keys() -> None:
    spec = ActionSpec((ActionDim("x", low=0.0, high=100.0), ActionDim("key", "categorical", 0.0, 3.0)))
    one = np.array([[50, 1], [50, 1], [50, 1]], np.float32)
    other = np.array([[54.9, 1], [55.1, 1], [50, 2]], np.float32)
    assert agree(spec, one, other).tolist() == [True, False, False]


def test_labels_are_compared_with_what_was_recorded() -> None:
    source = DotSource((40, 30))
    found = compare_labels(source, Labelled(source, Unsure()))
    assert found is not None
    assert found["actions"] == 68
    assert found["right_when_sure"] > 0.95
    assert found["right_otherwise"] < 0.2
    assert 0.2 < found["sure"] < 0.8
    assert found["r2"] < 1.0
    perfect = compare_labels(source, Labelled(source, DotModel()))
    assert perfect is not None
    assert (perfect["r2"], perfect["right"], perfect["right_otherwise"]) == (1.0, 1.0, None)


def test_labels_without_a_truth_or_of_other_recordings() -> None:
    source = DotSource((40, 30))
    labelled = Labelled(source, DotModel())
    source.episodes = [replace(episode, action_mask=np.zeros(len(episode), bool)) for episode in source.episodes]
    assert compare_labels(source, labelled) is None
    with pytest.raises(InputError, match="2 episodes, wanted the 3 of dots"):
        compare_labels(DotSource(), labelled)
