from dataclasses import replace

import pytest
import torch

from tests.models import tiny
from worldmodel.models.backbone import Inputs
from worldmodel.models.backbone_config import BackboneConfig
from worldmodel.models.objective import ObjectiveConfig, act_loss, dream_loss, total
from worldmodel.models.prediction import stack_history
from worldmodel.models.sampling import clean_inputs
from worldmodel.types import InputError

BODIES = torch.tensor([0, 1])


def clean(network, frames=10, seed=0):
    generator = torch.Generator().manual_seed(seed)
    latents = torch.randn(2, frames, 4, 8, 4, generator=generator)
    actions = torch.rand(2, frames, 3, generator=generator) * 2 - 1
    return latents, actions, clean_inputs(network, latents, actions, BODIES)


@pytest.mark.parametrize("time_attention", ["all", "position"])
def test_future_frames_change_nothing_before_them(time_attention):
    network = tiny.backbone(replace(tiny.CONFIG, time_attention=time_attention))
    _, _, inputs = clean(network)
    changed = replace(
        inputs, latents=inputs.latents.clone(), history=inputs.history.clone(), actions=inputs.actions.clone()
    )
    changed.latents[:, 6:] += 1.0
    changed.history[:, 6:] += 1.0
    changed.actions[:, 6:] *= -1.0
    a, b = network(inputs), network(changed)
    torch.testing.assert_close(a.latents[:, :6], b.latents[:, :6])
    assert (a.latents[:, 6:] - b.latents[:, 6:]).abs().max() > 1e-3


def test_predicted_actions_do_not_see_the_true_ones():
    """The gradient of what is predicted with respect to the action that is asked for is exactly zero."""
    network = tiny.backbone()
    _, _, inputs = clean(network)
    actions = torch.rand(2, 10, 3, requires_grad=True)
    unknown = replace(inputs, actions=actions, action_known=torch.zeros(2, 10, dtype=torch.bool))
    outputs = network(replace(unknown, chunk=torch.randn(2, 10, 2, 6, 3), chunk_clock=torch.zeros(2, 10, 2)))
    for predicted in (outputs.actions, outputs.chunk):
        (gradient,) = torch.autograd.grad(predicted.square().sum(), actions, allow_unused=True, retain_graph=True)
        assert gradient is None or gradient.abs().max() == 0.0


def test_policy_chunks_see_neither_later_frames_nor_later_actions():
    network = tiny.backbone()
    latents, actions, inputs = clean(network)
    latents.requires_grad_(True), actions.requires_grad_(True)
    history, mask = stack_history(latents, network.config.history)
    inputs = replace(inputs, latents=latents, history=history, history_mask=mask, actions=actions)
    inputs = replace(inputs, chunk=torch.randn(2, 10, 2, 6, 3), chunk_clock=torch.zeros(2, 10, 2))
    chunk = network(inputs).chunk[:, 5]
    by_frame, by_action = torch.autograd.grad(chunk.square().sum(), (latents, actions))
    assert by_frame[:, 6:].abs().max() == 0.0
    assert by_action[:, 6:].abs().max() == 0.0
    assert by_frame[:, 5].abs().max() > 0.0


def test_nothing_attends_to_the_readout_or_to_a_chunk():
    network = tiny.backbone()
    _, _, inputs = clean(network)
    with torch.no_grad():
        plain = network(inputs)
        network.special[-1] += 10.0
        other = network(replace(inputs, chunk=torch.randn(2, 10, 2, 6, 3), chunk_clock=torch.zeros(2, 10, 2)))
    torch.testing.assert_close(plain.latents, other.latents)
    torch.testing.assert_close(plain.actions, other.actions)
    assert (plain.readout - other.readout).abs().max() > 1e-3


def test_actions_matter_only_when_known():
    network = tiny.backbone()
    _, actions, inputs = clean(network)
    given = network(inputs).latents
    assert (network(replace(inputs, actions=-actions)).latents - given).abs().max() > 1e-3
    hidden = replace(inputs, action_known=torch.zeros(2, 10, dtype=torch.bool))
    torch.testing.assert_close(network(hidden).latents, network(replace(hidden, actions=-actions)).latents)


def test_losses_are_finite_and_reach_every_weight():
    network, config = tiny.backbone(), ObjectiveConfig(joint=0.5)
    torch.manual_seed(0)
    for loss in (dream_loss, act_loss):
        total(loss(network, tiny.batch(), config), config).backward()
    missing = [name for name, weight in network.named_parameters() if weight.grad is None]
    assert not missing
    assert all(weight.grad.isfinite().all() for weight in network.parameters())


def test_rows_without_actions_train_no_action():
    network, config = tiny.backbone(), ObjectiveConfig()
    batch = tiny.batch()
    batch.action_mask[:] = False
    assert act_loss(network, batch, config)["policy"] == 0.0
    assert act_loss(network, batch, config)["inverse"] == 0.0


def test_the_policy_learns_only_from_rows_worth_imitating():
    network, config = tiny.backbone(), ObjectiveConfig(inverse=1.0)
    batch = tiny.batch()
    batch.imitate = torch.zeros(3, dtype=torch.bool)
    losses = act_loss(network, batch, config)
    assert losses["policy"] == 0.0
    assert losses["inverse"] > 0.0


def test_own_history_replaces_the_past_by_one_step_dreams():
    """Only in rows that know their actions, and never the first frame; no gradient flows through the dream."""
    network, config = tiny.backbone(), ObjectiveConfig(own_history=1.0, joint=0.0, video=0.0)
    batch, seen = tiny.batch(), []
    batch.action_mask[0] = False
    network.register_forward_pre_hook(lambda module, args: seen.append(args[0].history))
    torch.manual_seed(0)
    total(dream_loss(network, batch, config), config).backward()
    true, own = seen
    torch.testing.assert_close(own[0], true[0])
    torch.testing.assert_close(own[1:, 1, ..., :4], true[1:, 1, ..., :4])
    assert (own[1:, 2:] - true[1:, 2:]).abs().max() > 0.01
    assert not own.requires_grad


def test_hidden_actions_do_not_reach_the_dream_loss():
    """Pretraining sees no action at all, not even through the joint mode."""
    network, config = tiny.backbone(), ObjectiveConfig(joint=0.5)
    losses = []
    for sign in (1.0, -1.0):
        batch = tiny.batch()
        batch.actions *= sign
        torch.manual_seed(5)
        losses.append(dream_loss(network, batch, config, actions_known=False)["frames"])
    assert losses[0] == losses[1]


def test_history_stacks_past_frames_newest_first():
    latents = torch.arange(4.0).reshape(1, 4, 1, 1, 1)
    history, mask = stack_history(latents, 2)
    assert history.flatten(2).tolist() == [[[0, 0], [0, 0], [1, 0], [2, 1]]]
    assert mask.tolist() == [[[0, 0], [1, 0], [1, 1], [1, 1]]]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"width": 30, "heads": 4}, "backbone.width: found 30"),
        ({"time_attention": "none"}, "wanted 'all' or 'position'"),
        ({"window": 1}, "window >= 2"),
        ({"act_window": 9}, "act_window: found 9, wanted 1 to window"),
        ({"chunk": 16, "chunk_tokens": 5}, "chunk_tokens: found 5, wanted a divisor of 16"),
    ],
)
def test_wrong_shapes_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        BackboneConfig(**wrong)


def test_inputs_keep_what_is_not_replaced():
    network = tiny.backbone()
    _, _, inputs = clean(network)
    other: Inputs = inputs.with_latents(inputs.latents * 2, inputs.clock * 0)
    assert other.actions is inputs.actions
    assert other.clock.max() == 0


def test_draws_of_a_chunk_do_not_see_each_other():
    network = tiny.backbone()
    _, _, inputs = clean(network)
    chunk = torch.randn(2, 10, 2, 6, 3)
    inputs = replace(inputs, chunk=chunk, chunk_clock=torch.rand(2, 10, 2))
    both = network(inputs).chunk
    changed = replace(inputs, chunk=torch.cat([chunk[:, :, :1] + 1.0, chunk[:, :, 1:]], 2))
    other = network(changed).chunk
    torch.testing.assert_close(both[:, :, 1], other[:, :, 1])
    assert (both[:, :, 0] - other[:, :, 0]).abs().max() > 1e-3


def test_acting_looks_back_a_few_frames_only():
    network = tiny.backbone(replace(tiny.CONFIG, act_window=1))
    _, _, inputs = clean(network)
    latents, history = inputs.latents.clone(), inputs.history.clone()
    latents[:, 4], history[:, 4] = 0.0, 0.0
    changed = replace(inputs, latents=latents, history=history)
    for acting, same in ((True, True), (False, False)):
        a, b = (network(given, acting=acting).actions[:, 5] for given in (inputs, changed))
        assert torch.allclose(a, b) == same
