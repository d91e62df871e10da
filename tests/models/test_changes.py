"""Which tokens change."""

import torch

from worldmodel.models.changes import token_changes


def test_every_cell_is_told_the_change_of_its_token() -> None:
    before, after = torch.zeros(2, 3, 4, 8, 5), torch.zeros(2, 3, 4, 8, 5)
    after[1, 2, 3, 6] = 2.0
    changes = token_changes(after, before, 2)
    assert changes.shape == (2, 3, 4, 8)
    assert changes[1, 2, 2:, 6:].tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert float(changes.sum()) == 4.0
