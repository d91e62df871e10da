"""Layers as they are run after training: one flow time for all, keys and values of the past at hand, few operations.

Shapes: b batch, n tokens of a frame's block, d width, h heads, e head size, w window.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from worldmodel.models.backbone import Backbone, layers_of
from worldmodel.models.layers import Layer, rotate


class Moment(NamedTuple):
    """Where samples stand, and what they remember.

    Attributes:
        keys: of all layers over time, (layers b n h w e) or (layers b h w n e); this frame's are written there.
        values: the same.
        cos: of rotary embedding at the present frame, (b 1 1 e/2).
        sin: the same.
        rows: 0 to b - 1.
        slot: (b,) of the present frame in the ring.
        mask: True where the ring holds a frame, (b or b n, 1, 1, keys).
        gains: of normalised queries and keys, (layers 2 1 1 1 e).
    """

    keys: Tensor
    values: Tensor
    cos: Tensor
    sin: Tensor
    rows: Tensor
    slot: Tensor
    mask: Tensor
    gains: Tensor


# What carries out `run_layers`, see `worldmodel.models.engine`.
RunLayers = Callable[[Backbone, Tensor, Tensor, Moment, slice], Tensor]
Attend = Callable[[Tensor, Tensor], Tensor]


def run_layers(backbone: Backbone, x: Tensor, modulations: Tensor, moment: Moment, wanted: slice) -> Tensor:
    """One pass of all layers and the last norm over the present frame; the last layer only for ``wanted`` tokens.

    Args:
        backbone: whose layers.
        x: tokens (b n d).
        modulations: of every layer, see `modulation_table`.
        moment: see there; its rings are written to.
        wanted: tokens that the result holds.
    """
    layers, over_time = layers_of(backbone), 0
    per_position = backbone.config.time_attention == "position"
    for index, layer in enumerate(layers):
        attend: Attend = _attend_in_space
        if layer.over_time:
            rings = moment.keys[over_time], moment.values[over_time]
            attend = partial(_attend_over_time, *rings, moment, per_position)
            over_time += 1
        shown = wanted if index == len(layers) - 1 else slice(None)
        x = run_layer(layer, x, modulations[index], moment.gains[index], attend, shown)
    return backbone.norm(x)


def run_layer(
    layer: Layer,
    x: Float[Tensor, "b n d"],
    modulation: Float[Tensor, "6 d"],
    gains: Float[Tensor, "2 1 1 1 e"],
    attend: Attend,
    wanted: slice = slice(None),
) -> Tensor:
    """What `Layer.forward` computes, for the tokens that are ``wanted``.

    Args:
        layer: its weights.
        x: tokens.
        modulation: see `modulation_table`.
        gains: see `gains_of`.
        attend: maps normalised queries and keys (2 b h n e), and values, to what is attended to (b h n e).
        wanted: tokens that the result holds.
    """
    shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = modulation
    y = torch.addcmul(shift_a, x * _inverse_rms(x), scale_a)
    qkv = layer.attention.qkv(y).unflatten(-1, (3, layer.attention.heads, -1)).permute(2, 0, 3, 1, 4)
    qk = qkv[:2]
    y = attend(qk * _inverse_rms(qk) * gains, qkv[2])
    y = layer.attention.out(y.transpose(1, 2).flatten(2)[:, wanted])
    x = torch.addcmul(x[:, wanted], gate_a, y)
    y = torch.addcmul(shift_m, x * _inverse_rms(x), scale_m)
    return torch.addcmul(x, gate_m, layer.mlp(y))


def gains_of(backbone: Backbone) -> Float[Tensor, "layers 2 1 1 1 e"]:
    """Gains of normalised queries and keys, which are normalised together."""
    pairs = [(layer.attention.q_norm.weight, layer.attention.k_norm.weight) for layer in layers_of(backbone)]
    return torch.stack([torch.stack(pair) for pair in pairs])[:, :, None, None, None]


def modulation_table(backbone: Backbone, time: float, step_size: float = 0.0) -> Float[Tensor, "layers 6 d"]:
    """Shift, 1 + scale and gate of attention and MLP of every layer, at a flow time and a size of the step."""
    clocks = (torch.tensor(value, device=backbone.place.device) for value in (time, step_size))
    table = torch.stack([layer.offset for layer in layers_of(backbone)]) + backbone.condition(*clocks)
    table[:, [1, 4]] += 1.0
    return table


def _attend_in_space(qk: Tensor, v: Tensor) -> Tensor:
    q, k = qk
    return F.scaled_dot_product_attention(q, k[:, :, :-1], v[:, :, :-1])


def _attend_over_time(
    keys: Tensor, values: Tensor, moment: Moment, per_position: bool, qk: Tensor, v: Tensor
) -> Tensor:
    """Writes this frame's keys and values into the rings and attends to all that they hold."""
    q, k = rotate(qk, moment.cos, moment.sin)
    for ring, new in ((keys, k), (values, v)):
        if per_position:
            ring[moment.rows, :, :, moment.slot] = new.transpose(1, 2)
        else:
            ring[moment.rows, :, moment.slot] = new[:, :, :-1]
    if not per_position:
        return F.scaled_dot_product_attention(q, keys.flatten(2, 3), values.flatten(2, 3), moment.mask)
    alone = q.transpose(1, 2).flatten(0, 1).unsqueeze(2)
    y = F.scaled_dot_product_attention(alone, keys.flatten(0, 1), values.flatten(0, 1), moment.mask)
    return y.squeeze(2).unflatten(0, q.shape[:1] + q.shape[2:3]).transpose(1, 2)


def _inverse_rms(x: Tensor) -> Tensor:
    """What `nn.RMSNorm` multiplies by, in few small operations: torch has no kernel of its own for it on CPUs."""
    squares = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_()
    return squares.div_(x.shape[-1]).add_(torch.finfo(x.dtype).eps).rsqrt_()
