"""Which tokens change, and which are looked at."""

from dataclasses import replace

import pytest
import torch

from tests.models import tiny
from worldmodel.models.backbone import Inputs
from worldmodel.models.changes import choose_tokens, token_changes
from worldmodel.models.objective import ObjectiveConfig, dream_loss
from worldmodel.models.prediction import stack_history
from worldmodel.types import InputError


def test_every_cell_is_told_the_change_of_its_token() -> None:
    before, after = torch.zeros(2, 3, 4, 8, 5), torch.zeros(2, 3, 4, 8, 5)
    after[1, 2, 3, 6] = 2.0
    changes = token_changes(after, before, 2)
    assert changes.shape == (2, 3, 4, 8)
    assert changes[1, 2, 2:, 6:].tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert float(changes.sum()) == 4.0


def test_tokens_that_change_are_chosen_first() -> None:
    latents = torch.zeros(2, 3, 4, 8, 5)
    latents[0, 1, 3, 6] = 2.0  # token 7 of row 0, which changes and changes back
    latents[1, 2, 0, 2] = latents[1, 2, 2, 0] = 2.0  # tokens 1 and 4 of row 1
    chosen = [choose_tokens(latents, 0.25, 2, 0.02) for _ in range(20)]
    assert {tuple(row) for kept in chosen for row in kept[1:].tolist()} == {(1, 4)}
    assert all(7 in kept[0] and len(set(kept[0].tolist())) == 2 for kept in chosen)
    assert len({tuple(kept[0].tolist()) for kept in chosen}) > 1, "others are chosen by chance"
    assert choose_tokens(latents, 1.0, 2, 0.02).tolist() == [list(range(8))] * 2


def test_a_backbone_that_keeps_all_tokens_is_as_one_that_chooses_none() -> None:
    network, inputs = tiny.backbone(), dream_inputs()
    everything = network(replace(inputs, kept=torch.arange(8).expand(3, -1)))
    whole = network(inputs)
    torch.testing.assert_close(everything.latents, whole.latents)
    torch.testing.assert_close(everything.readout, whole.readout)


def test_tokens_that_are_not_kept_play_no_part() -> None:
    network, inputs = tiny.backbone(), dream_inputs()
    inputs = replace(inputs, kept=torch.tensor([[0, 3], [1, 2], [0, 7]]))
    cells = network.cells_of(inputs.kept)
    assert cells[0].tolist() == [[1, 1, 0, 0, 0, 0, 1, 1]] * 2 + [[0] * 8] * 2
    before = network(inputs)
    assert (before.latents[(cells == 0)[:, None].expand(-1, 6, -1, -1)] == 0).all()
    inputs.latents = torch.where(cells[:, None, ..., None] == 0, 9.0, inputs.latents)
    after = network(inputs)
    assert torch.equal(before.latents, after.latents)
    assert torch.equal(before.actions, after.actions)


def test_the_loss_is_that_of_the_tokens_kept() -> None:
    network, batch = tiny.backbone(), tiny.batch()
    losses = dream_loss(network, batch, ObjectiveConfig(kept=0.5))
    losses["frames"].backward()
    assert losses["frames"].isfinite()
    assert float(network.place.grad.abs().sum()) > 0  # pyright: ignore[reportOptionalMemberAccess]


@pytest.mark.parametrize("kept", [0.0, 1.5])
def test_a_share_that_keeps_nothing_or_too_much_is_refused(kept: float) -> None:
    with pytest.raises(InputError, match=r"objective\.kept: found .*wanted a share above 0, at most 1"):
        ObjectiveConfig(kept=kept)


def dream_inputs() -> Inputs:
    batch = tiny.batch()
    assert batch.latents is not None
    history, mask = stack_history(batch.latents, 2)
    return Inputs(
        batch.latents,
        history,
        mask,
        torch.rand(3, 6),
        batch.actions[:, :6],
        torch.ones(3, 6),
        torch.ones(3, 6, dtype=torch.bool),
        batch.embodiment,
    )
