import json
from pathlib import Path

import numpy as np
import pytest

from policies.world_action import WorldActionPolicy
from tests.dot_world import LOW_PX, DotEnv, DotModel
from worldmodel.demo import CONTEXT_FRAMES, OPEN_LOOP_STEPS, Take, follow, perform
from worldmodel.metrics import PERFECT_DB
from worldmodel.types import InputError


class Patrol:
    """Walks along a line and never arrives."""

    def reset(self, seed: int | None = None) -> None:
        self.step = 0

    def act(self, observation: object) -> np.ndarray:
        self.step += 1
        return np.array([LOW_PX + self.step % 20, LOW_PX], np.float32)


class LongEnv(DotEnv):
    max_steps = 10**9


def test_a_perfect_model_dreams_what_happens(tmp_path: Path) -> None:
    model = DotModel()
    metrics = perform(model, DotEnv(), WorldActionPolicy(model), tmp_path, steps=30, seed=4)
    assert metrics["policy"]["success"]
    assert metrics["policy"]["score"] == 1.0
    assert metrics["frames"]["psnr_db"] == PERFECT_DB > metrics["frames"]["copy_last"]["psnr_db"]
    assert (tmp_path / "demo.mp4").read_bytes()[4:8] == b"ftyp"
    assert (tmp_path / "demo.gif").read_bytes()[:3] == b"GIF"
    assert json.loads((tmp_path / "metrics.json").read_text())["seed"] == 4


def test_the_dream_sees_reality_only_at_its_anchors(tmp_path: Path) -> None:
    contexts = []

    class Watched(DotModel):
        def imagine(self, context_frames: np.ndarray, actions: np.ndarray, **options: object) -> np.ndarray:
            contexts.append(context_frames)
            return super().imagine(context_frames, actions)

    count = CONTEXT_FRAMES + 2 * OPEN_LOOP_STEPS + 5
    rng = np.random.default_rng(0)
    places = rng.integers(8, 24, (count, 2)).astype(np.float32)
    frames = DotModel().imagine(DotEnv().reset(seed=0)[0]["pixels"][None, None], places[None])[0]
    take = Take(frames, places[1:], [0.0] * (count - 1), False, 1.0)
    assert np.array_equal(follow(Watched(), take, seed=0), frames[CONTEXT_FRAMES:])
    assert len(contexts) == 1
    for row, start in enumerate((0, OPEN_LOOP_STEPS, 2 * OPEN_LOOP_STEPS)):
        assert np.array_equal(contexts[0][row], frames[start : start + CONTEXT_FRAMES])


def test_contexts_are_rounded_up_to_what_latents_span(tmp_path: Path) -> None:
    contexts = []

    class Clips(DotModel):
        frames_per_latent = 4

        def imagine(self, context_frames: np.ndarray, actions: np.ndarray, **options: object) -> np.ndarray:
            contexts.append(context_frames.shape[1])
            return super().imagine(context_frames, actions)

    model = Clips()
    metrics = perform(model, LongEnv(), Patrol(), tmp_path, steps=21, seed=4)
    assert contexts == [5]
    assert metrics["frames"]["psnr_db"] == PERFECT_DB
    with pytest.raises(InputError, match="wanted more than 5"):
        perform(model, LongEnv(), Patrol(), tmp_path, steps=4, seed=0)


def test_an_episode_that_is_too_short_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="wanted more than 4"):
        perform(DotModel(), LongEnv(), Patrol(), tmp_path, steps=3, seed=0)
    assert list(tmp_path.iterdir()) == []
