"""Heads that choose among the values of categorical action dimensions, such as keys.

Actions hold such a dimension as bits (`worldmodel.analog_bits`). A head gives every value a probability instead of
guessing bit by bit: its estimate of the bits is their expectation, and what it is trained on is the cross-entropy.
Source: Dieleman et al. 2022, "Continuous diffusion for categorical data", section 3.1.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from worldmodel.analog_bits import to_bits
from worldmodel.types import ActionSpec


class Classes(nn.Module):
    """Tables of the values of every body's categorical dimensions; the values of one body stand side by side.

    Attributes:
        size: values of the body that has most of them.

    Args:
        specs: the bodies' actions.
        action_size: numbers of a normalised action.
    """

    columns: Bool[Tensor, "bodies n"]
    codes: Float[Tensor, "bodies classes n"]
    groups: Bool[Tensor, "bodies dims classes"]

    def __init__(self, specs: Sequence[ActionSpec], action_size: int) -> None:
        super().__init__()
        self.size = max(sum(count for _, count, _ in spec.categorical) for spec in specs)
        dims = max(len(spec.categorical) for spec in specs)
        codes = torch.zeros(len(specs), self.size, action_size)
        groups = torch.zeros(len(specs), dims, self.size, dtype=torch.bool)
        for body, spec in enumerate(specs):
            first = 0
            for number, (_, count, bits) in enumerate(spec.categorical):
                values = torch.arange(count)
                codes[body, first : first + count, list(bits)] = torch.from_numpy(to_bits(values.numpy(), count))
                groups[body, number, first : first + count] = True
                first += count
        self.register_buffer("codes", codes, persistent=False)
        self.register_buffer("groups", groups, persistent=False)
        self.register_buffer("columns", codes.abs().sum(1) > 0, persistent=False)

    def expect(
        self, values: Float[Tensor, "b *rows n"], logits: Float[Tensor, "b *rows classes"], body: Int64[Tensor, "b"]
    ) -> Float[Tensor, "b *rows n"]:
        """Puts the expected bits in the place of the numbers of categorical dimensions."""
        bits = torch.bmm(_flat(self._log_probabilities(logits, body).exp()), self.codes[body]).view_as(values)
        return torch.where(_like(self.columns[body], values), bits, values)

    def error(
        self,
        values: Float[Tensor, "b *rows n"],
        logits: Float[Tensor, "b *rows classes"],
        true: Float[Tensor, "b *rows n"],
        body: Int64[Tensor, "b"],
    ) -> Float[Tensor, "b *rows"]:
        """Squared error of the other dimensions and cross-entropy of these, a mean over all numbers of an action."""
        squared = torch.where(_like(self.columns[body], values), 0.0, (values - true).square()).sum(-1)
        agreeing, bits = torch.bmm(_flat(true), self.codes[body].mT).view_as(logits), self.codes[body].abs().sum(-1)
        chosen = (agreeing >= _like(bits, logits) - 0.5) & (_like(bits, logits) > 0)
        entropy = -torch.where(chosen, self._log_probabilities(logits, body), 0.0).sum(-1)
        return (squared + entropy) / values.shape[-1]

    def _log_probabilities(
        self, logits: Float[Tensor, "b *rows classes"], body: Int64[Tensor, "b"]
    ) -> Float[Tensor, "b *rows classes"]:
        """Within each dimension; minus infinity (as good as) where a body has no such value."""
        result = torch.full_like(logits, -1e9)
        for group in self.groups[body].unbind(1):
            mine = _like(group, logits)
            result = torch.where(mine, logits.masked_fill(~mine, -1e9).log_softmax(-1), result)
        return result


def _flat(values: Tensor) -> Tensor:
    return values.reshape(len(values), -1, values.shape[-1])


def _like(table: Tensor, values: Tensor) -> Tensor:
    """A table per row of the batch, to be combined with the last axis of ``values``."""
    return table.view(len(table), *[1] * (values.ndim - 2), -1)
