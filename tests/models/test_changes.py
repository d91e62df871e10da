"""Tokens that change, and those that are held."""

from dataclasses import replace

import pytest
import torch

from tests.models import tiny
from worldmodel.models.changes import token_changes
from worldmodel.models.sampling import Rollout
from worldmodel.models.world_model import WorldModelConfig
from worldmodel.types import InputError

CONFIG = replace(tiny.CONFIG, time_attention="position")


def test_every_cell_is_told_the_change_of_its_token() -> None:
    before, after = torch.zeros(2, 3, 4, 8, 5), torch.zeros(2, 3, 4, 8, 5)
    after[1, 2, 3, 6] = 2.0
    changes = token_changes(after, before, 2)
    assert changes.shape == (2, 3, 4, 8)
    assert changes[1, 2, 2:, 6:].tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert float(changes.sum()) == 4.0


@pytest.mark.parametrize("jointly", [False, True])
def test_what_hardly_changes_is_held(jointly: bool) -> None:
    network, start, actions = tiny.backbone(CONFIG), torch.randn(2, 3, 4, 8, 4), torch.rand(2, 3)

    def dream(hold_below: float) -> torch.Tensor:
        rollout = Rollout(network, torch.tensor([0, 1]), 0.05, [1, 2], hold_below=hold_below)
        rollout.observe(start)
        with torch.no_grad():
            frame = rollout.dream_jointly(1)[0] if jointly else rollout.dream(actions, 1)
        assert rollout.past is not None
        assert torch.equal(rollout.past[:, 0], frame)
        return frame

    free = dream(0.0)
    changes = token_changes(free, start[:, -1], network.config.patch)
    bound = float(changes.median())
    moved = (changes >= bound).unsqueeze(-1)
    assert 0 < int(moved.sum()) < moved.numel()
    assert torch.equal(dream(bound), torch.where(moved, free, start[:, -1]))
    assert torch.equal(dream(1e6), start[:, -1])


def test_dreams_that_begin_anew_hold_too() -> None:
    network, start = tiny.backbone(CONFIG), torch.randn(2, 3, 4, 8, 4)
    rollout = Rollout(network, torch.tensor([0, 1]), 0.05, [1, 2], hold_below=1e6)
    rollout.observe(start)
    rollout.restart(torch.tensor([1]), start[:1], None, [3])
    assert torch.equal(rollout.dream(None, 1), start[[0, 0], -1])


def test_a_negative_bound_is_refused() -> None:
    with pytest.raises(InputError, match=r"hold_below: found -1\.0, wanted at least 0"):
        WorldModelConfig(hold_below=-1.0)
