import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from tests.dot_world import SIZE_PX, CopyLastModel, DeafModel, DotModel, DotSource
from tests.models import tiny
from worldmodel.evaluate import evaluate_dream
from worldmodel.evaluation_windows import choose_windows
from worldmodel.metrics import PERFECT_DB
from worldmodel.output import plain
from worldmodel.types import ActionSpec, EmbodimentSpec, Episode, InputError

FAST: dict[str, Any] = {"steps": 6, "max_windows": 10, "batch": 4}


def evaluate(model: DotModel, source: DotSource | None = None, **options: Any) -> dict[str, Any]:
    metrics, _ = evaluate_dream(model, DotSource() if source is None else source, **(FAST | options))
    return metrics


def test_a_copying_dreamer_scores_exactly_what_copy_last_scores() -> None:
    frames = evaluate(CopyLastModel())["frames"]
    for name in ("psnr_db", "changed_psnr_db", "by_horizon"):
        assert frames[name] == frames["copy_last"][name]
    assert frames["changed_psnr_db"] < 15


def test_a_perfect_dreamer_reaches_the_ceiling_and_stays_finite() -> None:
    metrics = evaluate(DotModel())
    assert metrics["frames"]["changed_psnr_db"] == PERFECT_DB == metrics["frames"]["ceiling"]["changed_psnr_db"]
    assert metrics["frames"]["by_horizon"]["changed_psnr_db"] == [PERFECT_DB] * 6
    assert metrics["actions"]["inverse_r2"] == metrics["control"]["inverse_r2_dream"] == 1.0
    assert metrics["control"]["shuffle_ratio"] > 1e6
    json.dumps(plain(metrics), allow_nan=False)


def test_clips_that_latents_can_span_are_encoded_whole() -> None:
    class Clips(DotModel):
        frames_per_latent = 4

        def encode(self, frames: np.ndarray) -> Tensor:
            assert frames.shape[1] % 4 == 1
            return super().encode(frames)

    metrics = evaluate(Clips())
    assert metrics["data"]["context_frames"] == 5
    assert metrics["frames"]["psnr_db"] == PERFECT_DB == metrics["frames"]["ceiling"]["psnr_db"]
    assert metrics["actions"]["inverse_r2"] == 1.0


def test_all_names_of_the_contract_are_there() -> None:
    metrics = evaluate(DotModel())
    for name in (
        *("frames.psnr_db", "frames.changed_psnr_db", "frames.by_horizon.changed_psnr_db"),
        *("frames.copy_last.psnr_db", "frames.copy_last.changed_psnr_db"),
        *("frames.ceiling.psnr_db", "frames.ceiling.changed_psnr_db"),
        *("control.shuffle_ratio", "control.inverse_r2_dream", "actions.inverse_r2", "actions.inverse_r2_per_dim"),
        *("rollout.frames_per_s", "rollout.batch", "rollout.steps", "rollout.threads"),
        *("joint.frames.changed_psnr_db", "joint.actions_r2", "joint.consistency_r2"),
    ):
        value: Any = metrics
        for key in name.split("."):
            value = value[key]
        assert value is not None, name


def test_sharp_dreams_that_ignore_actions_are_found_out() -> None:
    control = evaluate(DeafModel(), DotSource((60, 60, 60, 60)))["control"]
    assert control["shuffle_ratio"] == 1.0  # the same noise, so the same dream
    assert control["inverse_r2_dream"] < 0.2


def test_half_obedient_dreams_lie_in_between() -> None:
    class Lazy(DotModel):
        def imagine(self, context_frames: np.ndarray, actions: np.ndarray, **options: Any) -> np.ndarray:
            late = np.concatenate((actions[:, :1], actions[:, :1], actions[:, 2:]), axis=1)
            return super().imagine(context_frames, late)

    metrics = evaluate(Lazy())
    assert 1.0 < metrics["control"]["shuffle_ratio"] < 100.0
    assert metrics["frames"]["by_horizon"]["changed_psnr_db"][1] < 20
    assert metrics["frames"]["by_horizon"]["changed_psnr_db"][2] == PERFECT_DB


def test_a_joint_dream_agrees_with_itself_even_where_the_recording_went_elsewhere() -> None:
    joint = evaluate(DotModel())["joint"]
    assert joint["consistency_r2"] == 1.0
    assert joint["actions_r2"] < 0.5


def test_actions_are_given_as_the_alignment_rule_says() -> None:
    seen = []

    class Listener(DotModel):
        def imagine(
            self,
            context_frames: np.ndarray,
            actions: np.ndarray,
            *,
            context_actions: np.ndarray | None = None,
            **options: Any,
        ) -> np.ndarray:
            assert context_actions is not None
            assert np.array_equal(self.infer_actions(context_frames), context_actions)
            seen.append(actions.shape[1])
            return super().imagine(context_frames, actions)

    evaluate(Listener())
    assert set(seen) == {6}


def test_windows_never_overlap_cover_all_episodes_and_repeat() -> None:
    source = DotSource((40, 9, 25, 50))
    options = {"length": 10, "count": 9, "frame_size": (32, 32), "embodiment": "dot"}
    windows = choose_windows(source, seed=3, **options)
    assert len(windows) == 9
    assert {window.episode for window in windows} == {0, 2, 3}  # the second is too short
    for one, other in pairwise(windows):
        assert one.episode != other.episode or other.start >= one.start + 10
    again = choose_windows(source, seed=3, **options)
    assert [(w.episode, w.start) for w in windows] == [(w.episode, w.start) for w in again]
    assert [(w.episode, w.start) for w in windows] != [
        (w.episode, w.start) for w in choose_windows(source, seed=4, **options)
    ]


def test_few_windows_of_many_episodes_are_spread() -> None:
    windows = choose_windows(DotSource((12,) * 30), length=10, count=3, frame_size=(32, 32), embodiment="dot")
    episodes = [window.episode for window in windows]
    assert len(set(episodes)) == 3
    assert max(episodes) - min(episodes) >= 15


def test_other_actions_come_from_the_same_position_of_another_episode() -> None:
    source = DotSource((50, 50))
    for window in choose_windows(source, length=10, count=6, frame_size=(32, 32), embodiment="dot"):
        other = source[1 - window.episode].actions[window.start : window.start + 9]
        assert window.other_actions is not None
        assert np.array_equal(window.other_actions, other)


def test_one_episode_has_nobody_to_borrow_actions_from() -> None:
    assert evaluate(DotModel(), DotSource((60,)))["control"]["shuffle_ratio"] is None


def test_frames_are_brought_to_the_models_size() -> None:
    windows = choose_windows(DotSource(), length=10, count=2, frame_size=(16, 48), embodiment="dot")
    assert windows[0].frames.shape == (10, 16, 48, 3)


def test_stretches_with_unknown_actions_are_left_out() -> None:
    source = DotSource((20, 20))
    source[0].action_mask[5] = False
    source[1].action_mask[-1] = False  # leads to no recorded frame
    windows = choose_windows(source, length=20, count=4, frame_size=(32, 32), embodiment="dot")
    assert [window.episode for window in windows] == [1]


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (DotSource((9, 5)), {}, "dots: no 10 frames in a row"),
        (DotSource(()), {}, "dots: no 10 frames in a row"),
        (DotSource(), {"embodiment": "crab"}, "embodiment 'crab', the model knows dot"),
        (DotSource(), {"camera": "wrist"}, "no camera 'wrist', wanted one of top"),
    ],
)
def test_unusable_recordings_are_named(source: DotSource, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(DotModel(), source, **options)


def test_the_real_model_is_measured_too() -> None:
    source = DotSource((30, 30))
    source.embodiments = [tiny.ARM]
    for episode in source.episodes:
        episode.embodiment = "arm"
    metrics, samples = evaluate_dream(tiny.model(), source, **(FAST | {"max_windows": 4, "samples": 1}))
    assert metrics["data"]["windows"] == 4
    assert metrics["rollout"]["steps"] == 2
    assert metrics["frames"]["changed_psnr_db"] < metrics["frames"]["ceiling"]["changed_psnr_db"] + 20
    assert samples.windows[0].dreamed.shape == (6, 32, 64, 3)
    assert samples.obeyed.shape == (24, 2)


def test_recordings_without_actions_are_dreamed_without() -> None:
    class Silent(DotSource):
        def __init__(self) -> None:
            super().__init__()
            self.embodiments = [EmbodimentSpec("video", ActionSpec(()))]
            for episode in self.episodes:
                episode.actions, episode.embodiment = episode.actions[:, :0], "video"
                episode.action_mask[:] = False

    class Still(DotModel):
        def imagine_video(
            self, context_frames: np.ndarray, steps: int = 16, *, seed: int = 0, sampling_steps: int | None = None
        ) -> np.ndarray:
            assert sampling_steps == 3
            return np.repeat(context_frames[:, -1:], steps, 1)

    metrics, samples = evaluate_dream(Still(), Silent(), sampling_steps=3, **FAST)
    assert metrics["rollout"]["steps"] == 3
    assert metrics["frames"]["changed_psnr_db"] == metrics["frames"]["copy_last"]["changed_psnr_db"]
    assert metrics["frames"]["ceiling"]["changed_psnr_db"] == PERFECT_DB
    assert metrics["data"]["windows"] == 10
    assert "control" not in metrics
    assert (samples.action_names, samples.windows[0].shuffled, samples.windows[0].joint) == ((), None, None)


class RewardedDots(DotSource):
    """Rewards and success tell how far to the right the dot is."""

    def __getitem__(self, index: int) -> Episode:
        episode = super().__getitem__(index)
        reward = episode.actions[:, 0] / SIZE_PX
        return replace(episode, reward=reward, success=reward > 0.5)


def test_rewards_and_success_are_read_off_true_and_dreamed_frames() -> None:
    readout = evaluate(DotModel(), RewardedDots())["readout"]
    assert readout.keys() == {"reward_r2", "reward_r2_dream", "success_auc", "success_auc_dream"}
    assert min(readout.values()) > 0.99
    frozen = evaluate(CopyLastModel(), RewardedDots())["readout"]
    assert frozen["success_auc"] > 0.99
    assert frozen["reward_r2_dream"] < 0.9
    assert "readout" not in evaluate(DotModel())
