"""Instructions and the state that the readout tells, on a tiny model."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.models import tiny
from worldmodel.data.words import hash_words
from worldmodel.models.objective import ObjectiveConfig, act_loss, dream_loss
from worldmodel.models.world_model import WorldModel
from worldmodel.types import InputError

CONFIG = replace(tiny.CONFIG, text_buckets=64, read_state=True)


@pytest.fixture(scope="module")
def model() -> WorldModel:
    torch.manual_seed(0)
    base = tiny.model()
    result = WorldModel(replace(base.config, backbone=CONFIG), base.embodiments)
    with torch.no_grad():
        for parameter in result.backbone.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return result.eval().requires_grad_(False)


RNG = np.random.default_rng(0)
FRAMES = RNG.integers(0, 256, (2, 4, 32, 64, 3), np.uint8)
ACTIONS = RNG.random((2, 3, 2), np.float32)


def test_an_instruction_changes_what_is_dreamed_judged_and_done(model: WorldModel):
    push, none = {"text": "push the block"}, {"text": None}
    for ask in (
        lambda **text: model.imagine(FRAMES[:, :2], ACTIONS, **text),
        lambda **text: model.act(FRAMES, **text),
        lambda **text: model.judge(FRAMES, ACTIONS, **text)[0],
    ):
        assert np.abs(ask(**push).astype(float) - ask(**none)).max() > 1e-4
        np.testing.assert_array_equal(ask(**push), ask(text=["Push the block"] * 2))


def test_each_of_a_batch_has_its_own_instruction(model: WorldModel):
    mixed = model.act(FRAMES, text=["push the block", None])
    np.testing.assert_allclose(mixed[:1], model.act(FRAMES, text="push the block")[:1], atol=1e-5)
    np.testing.assert_allclose(mixed[1:], model.act(FRAMES)[1:], atol=1e-5)


def test_a_dream_that_begins_anew_may_have_another_instruction(model: WorldModel):
    latents = model.encode(FRAMES[:, :2])
    fresh, other = model.rollout(2, seed=[1, 2], text=["a", "b"]), model.rollout(2, seed=[1, 3], text=["a", "c"])
    fresh.observe(latents)
    other.observe(latents)
    fresh.restart(torch.tensor([1]), latents[1:], None, [3], model.read("c", 1))
    action = torch.zeros(2, model.backbone.action_size)
    torch.testing.assert_close(fresh.dream(action, 1), other.dream(action, 1), atol=1e-5, rtol=1e-5)


def test_instructions_that_cannot_be_read(model: WorldModel):
    with pytest.raises(InputError, match="found 3 instructions, wanted one, or one for each of 2"):
        model.act(FRAMES, text=["a", "b", "c"])
    with pytest.raises(InputError, match="trained without instructions"):
        tiny.model().act(FRAMES, text="push")


def test_the_state_is_learnt_where_it_is_known_and_never_shown(model: WorldModel):
    batch = tiny.batch()
    batch.words = torch.from_numpy(np.stack([hash_words("push")] * 3))
    assert batch.state is not None
    batch.state[1] = torch.nan
    config = ObjectiveConfig(joint=0.0, video=0.0)
    torch.manual_seed(0)
    losses = dream_loss(model.backbone, batch, config)
    assert losses["state"] > 0
    batch.state[2] += 1.0
    torch.manual_seed(0)
    moved = dream_loss(model.backbone, batch, config)
    assert moved["state"] != losses["state"]
    assert moved["frames"] == losses["frames"]
    assert "state" not in act_loss(model.backbone, batch, config)
    assert model.backbone.readout.weight.shape[-1] == 4


def test_hidden_instructions_are_no_instructions(model: WorldModel):
    batch, found = tiny.batch(), {}
    for text, hidden in ((None, 0.0), ("push", 1.0), ("push", 0.0)):
        batch.words = torch.from_numpy(np.stack([hash_words(text)] * 3))
        torch.manual_seed(0)
        found[text, hidden] = dream_loss(model.backbone, batch, ObjectiveConfig(text_hidden=hidden))["frames"]
    assert found["push", 1.0] == found[None, 0.0] != found["push", 0.0]


def test_judging_needs_a_frame_per_latent_and_an_action_between_frames(model: WorldModel):
    reward, success = model.judge(FRAMES, ACTIONS)
    assert reward.shape == success.shape == (2, 3)
    assert ((success > 0) & (success < 1)).all()
    with pytest.raises(InputError, match="actions: found shape"):
        model.judge(FRAMES, ACTIONS[:, :2])
