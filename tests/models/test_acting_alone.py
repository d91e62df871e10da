"""Models that act on their history alone (`act_window` 1): every window is learnt from at its last frame."""

from dataclasses import replace

import pytest
import torch

from tests.models import tiny
from worldmodel.config import StageConfig
from worldmodel.models.backbone import Inputs
from worldmodel.models.objective import ObjectiveConfig, act_loss, hide_history
from worldmodel.models.planning import act, look, plan
from worldmodel.models.sampling import clean_inputs
from worldmodel.recipe import act_size

ALONE = replace(tiny.CONFIG, act_window=1, history=2)
CONFIG = ObjectiveConfig(context_noise=0.0, state_share=1.0)


def losses(network, batch):
    torch.manual_seed(3)
    return act_loss(network, batch, CONFIG)


def changed(batch, key, frame):
    values = getattr(batch, key).clone()
    values[:, frame] += 1.0
    return replace(batch, **{key: values})


@pytest.mark.parametrize("key", ["latents", "state", "reward", "actions"])
def test_only_the_last_frame_its_history_and_what_comes_after_it_count(key):
    network, batch = tiny.backbone(ALONE), tiny.batch(size=64, frames=5)
    before = losses(network, batch)
    first_that_counts = {"latents": 2, "state": 4, "reward": 3, "actions": 3}[key]
    for frame in range(5):
        after = losses(network, changed(batch, key, frame))
        same = all(torch.equal(before[name], after[name]) for name in before)
        assert same == (frame < first_that_counts or (key == "reward" and frame == 4)), frame


def test_losses_train_every_head():
    network = tiny.backbone(ALONE)
    torch.stack(list(losses(network, tiny.batch(size=32, frames=3)).values())).sum().backward()
    for name in ("chunk_out.weight", "action_out.weight", "readout.weight", "patch_in.weight"):
        assert network.get_parameter(name).grad.abs().sum() > 0, name


def test_some_frames_are_without_their_past():
    torch.manual_seed(0)
    history, mask = hide_history(torch.ones(4000, 1, 2, 3, 8), torch.ones(4000, 1, 2))
    seen = mask.sum((1, 2))
    shares = [(seen == count).float().mean().item() for count in range(3)]
    assert shares == pytest.approx([0.05, 0.05, 0.9], abs=0.02)
    assert torch.equal(mask[seen == 1, 0], torch.tensor([1.0, 0.0]).expand(int((seen == 1).sum()), -1))
    assert torch.equal(history[..., :4].amax((2, 3, 4)), mask[..., 0])
    assert torch.equal(history[..., 4:].amax((2, 3, 4)), mask[..., 1])
    nothing = torch.ones(2, 1, 2, 3, 0), torch.ones(2, 1, 0)
    assert hide_history(*nothing) == nothing


@pytest.mark.parametrize("frames", [1, 2, 6])
def test_plans_need_no_more_than_the_last_frame_and_its_history(frames):
    network = tiny.backbone(ALONE).eval()
    latents, body = torch.randn(2, frames, 4, 8, 4), torch.tensor([0, 1])
    state = torch.rand(2, 2)
    ours = act(network, latents, state, body, 3, torch.Generator().manual_seed(1))
    inputs: Inputs = clean_inputs(network, latents, None, body)
    inputs.state = torch.zeros(2, frames, 2).index_copy(1, torch.tensor([frames - 1]), state[:, None])
    inputs.state_known = (torch.arange(frames) == frames - 1).expand(2, -1)
    noise = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(ours, plan(network, look(network, inputs), body, noise, 3), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("act_window", "stage", "size"), [(1, 3, 128), (3, 4, 32), (3, 0, 16), (3, 3, 42)])
def test_acting_steps_learn_from_as_many_frames_as_dreaming_ones(act_window, stage, size):
    model = tiny.model()
    backbone = replace(model.config.backbone, act_window=act_window)
    model.config = replace(model.config, backbone=backbone)
    assert act_size(model, StageConfig(batch=16, window=8, act_window=stage)) == size
