"""Pasts that the model dreamed itself."""

from dataclasses import replace

import pytest
import torch

from tests.models import tiny
from worldmodel.config import StageConfig
from worldmodel.models import self_forcing
from worldmodel.models.objective import ObjectiveConfig, dream_loss
from worldmodel.models.precision import PRECISIONS, reduced
from worldmodel.models.sampling import Rollout
from worldmodel.models.self_forcing import dreamed_past, part
from worldmodel.stages import BackboneStage
from worldmodel.types import InputError


def test_the_past_is_a_rollout_and_the_beginning_is_real(monkeypatch: pytest.MonkeyPatch) -> None:
    network, batch = tiny.backbone(), tiny.batch()
    monkeypatch.setattr(self_forcing, "MOST_REAL", 1)
    torch.manual_seed(3)
    past = dreamed_past(network, batch, 0.05)
    assert batch.latents is not None
    torch.manual_seed(3)
    seeds = torch.randint(2**31, (3,)).tolist()
    rollout = Rollout(network, batch.embodiment, 0.05, seeds)
    rollout.observe(batch.latents[:, :1])
    torch.testing.assert_close(past[:, 0], batch.latents[:, 0], atol=0, rtol=0)
    for frame in range(1, 6):
        torch.testing.assert_close(past[:, frame], rollout.dream(batch.actions[:, frame - 1], 1).detach())


def test_the_past_is_dreamed_in_full_precision_whatever_the_stage_has() -> None:
    network, batch, pasts = tiny.backbone(), tiny.batch(), []
    for precision in PRECISIONS:
        torch.manual_seed(3)
        with reduced(precision, torch.device("cpu")):
            pasts.append(dreamed_past(network, batch, 0.05))
    torch.testing.assert_close(*pasts, atol=1e-4, rtol=1e-4)


def test_who_did_what_nobody_knows_is_not_dreamed() -> None:
    batch = tiny.batch()
    batch.action_mask[1, 2] = False
    past = dreamed_past(tiny.backbone(), batch, 0.05)
    assert batch.latents is not None
    same = [torch.equal(mine, real) for mine, real in zip(past, batch.latents, strict=True)]
    assert same == [False, True, False]
    batch.action_mask[:, 0] = False
    assert dreamed_past(tiny.backbone(), batch, 0.05) is batch.latents


def test_a_true_past_changes_no_loss() -> None:
    network, batch, losses = tiny.backbone(), tiny.batch(), []
    for past in (None, batch.latents):
        torch.manual_seed(0)
        losses.append(dream_loss(network, replace(batch, past=past), ObjectiveConfig()))
    assert losses[0].keys() == losses[1].keys()
    assert all(torch.equal(losses[0][name], losses[1][name]) for name in losses[0])


def test_a_part_keeps_what_belongs_together() -> None:
    batch = tiny.batch()
    assert batch.latents is not None
    assert batch.state is not None
    some = part(replace(batch, past=batch.latents + 1), 2, 3)
    assert some.latents is not None
    assert some.past is not None
    assert torch.equal(some.latents, batch.latents[:, 2:5])
    assert torch.equal(some.past, batch.latents[:, 2:5] + 1)
    assert torch.equal(some.actions, batch.actions[:, 2 : batch.actions.shape[1] - 1])
    assert torch.equal(some.state, batch.state[:, 2:5])
    assert some.embodiment is batch.embodiment


def test_a_stage_learns_from_dreamed_pasts(monkeypatch: pytest.MonkeyPatch) -> None:
    model, calls = tiny.model(), []
    model.config = replace(model.config, objective=ObjectiveConfig(own_history=0.5), still_change=0.1, noise_scale=0.0)
    stage = BackboneStage(model, StageConfig(compile=False, window=4, rollout_window=6), 0)

    def dreamed(*args: object, **used: float) -> torch.Tensor:
        calls.append(used)
        return dreamed_past(*args, **used)  # pyright: ignore

    monkeypatch.setattr("worldmodel.stages.dreamed_past", dreamed)
    lengths = set()
    monkeypatch.setattr(stage, "_dream", lambda batch: lengths.add(batch.latents.shape[1]) or stage._dream_loss(batch))
    for seed in range(12):
        torch.manual_seed(seed)
        _, loss = stage.loss(seed, tiny.batch())
        assert loss.isfinite()
    assert 0 < len(calls) < 12
    assert all(used == {"still_change": 0.1, "noise_scale": 0.0} for used in calls)  # as the model is used
    assert lengths == {4}
    loss.backward()


def test_a_rollout_is_no_shorter_than_what_is_learnt_from() -> None:
    with pytest.raises(InputError, match=r"rollout_window: found 6, wanted 0 or at least window 8"):
        StageConfig(window=8, rollout_window=6)
