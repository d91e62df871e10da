"""Latents and pictures are moved by the same amount."""

import pytest
import torch
from torch.nn import functional as F

from worldmodel.config import StageConfig
from worldmodel.models.equivariance import shift_and_shrink
from worldmodel.types import InputError


def ramp(height: int, width: int) -> torch.Tensor:
    """(4, 3, height, width): where every place lies, in the picture's own units."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    return torch.stack([x, y, x]).expand(4, -1, -1, -1)


def test_latents_and_pictures_move_alike():
    # Pictures whose latents are known: each cell holds the mean of its pixels.
    pictures = ramp(48, 64)
    latents = F.avg_pool2d(pictures, 8)
    torch.manual_seed(0)
    (small, (small_pictures, again)), (moved, (moved_pictures, _)) = shift_and_shrink(latents, [pictures, pictures])
    assert (small.shape, small_pictures.shape) == ((2, 3, 3, 4), (2, 3, 24, 32))
    assert (moved.shape, moved_pictures.shape) == ((2, 3, 6, 8), (2, 3, 48, 64))
    torch.testing.assert_close(F.avg_pool2d(small_pictures, 8), small)
    torch.testing.assert_close(again, small_pictures)
    inner = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(F.avg_pool2d(moved_pictures, 8)[inner], moved[inner], atol=1e-5, rtol=0)
    assert not torch.allclose(moved[inner], latents[2:][inner], atol=1e-3)


def test_shifts_differ_and_stay_below_half_a_cell():
    latents = F.avg_pool2d(ramp(64, 64), 8)
    torch.manual_seed(1)
    shifts = []
    for _ in range(20):
        moved = shift_and_shrink(latents, [])[1][0]
        shifts.append((moved - latents[2:])[0, :2, 3, 3] / (latents[0, 0, 0, 1] - latents[0, 0, 0, 0]))
    found = torch.stack(shifts).abs()
    assert found.max() <= 0.501
    assert found.std() > 0.1


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_that_is_none(share: float):
    with pytest.raises(InputError, match="decoder_share: found"):
        StageConfig(decoder_share=share)
