"""Products of a lower precision."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.models import tiny
from worldmodel.models.objective import ObjectiveConfig, dream_loss, total
from worldmodel.models.precision import reduced

CPU = torch.device("cpu")


@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_products_have_the_precision_that_was_asked_for(precision, dtype):
    layer, x, q = nn.Linear(4, 4), torch.randn(2, 4), torch.randn(1, 2, 3, 8)
    with reduced(precision, CPU):
        assert layer(x).dtype == dtype
        assert F.scaled_dot_product_attention(q, q, q).dtype == dtype
        assert F.conv2d(torch.randn(1, 1, 4, 4), torch.randn(1, 1, 3, 3)).dtype == dtype
    assert layer(x).dtype == torch.float32


def test_gradients_are_close_to_those_of_full_precision_and_of_float32():
    found = {}
    for precision in ("float32", "bfloat16"):
        network = tiny.backbone()
        torch.manual_seed(0)
        with reduced(precision, CPU):
            losses = dream_loss(network, tiny.batch(size=16), ObjectiveConfig(own_history=0.5))
            total(losses, ObjectiveConfig()).backward()
        grads = [p.grad for p in network.parameters() if p.grad is not None]
        assert {grad.dtype for grad in grads} == {torch.float32}
        found[precision] = torch.cat([grad.flatten() for grad in grads])
    assert F.cosine_similarity(found["float32"], found["bfloat16"], dim=0) > 0.99


def test_a_pass_without_gradient_does_not_take_it_from_the_next_one():
    layer, x = nn.Linear(4, 4), torch.randn(2, 4)
    with reduced("bfloat16", CPU):
        with torch.no_grad():
            layer(x)
        layer(x).sum().backward()
    assert layer.weight.grad is not None
