"""Plans chunks of actions: the past is read once, then only the few tokens of the chunk are denoised.

The tokens of frames do not see those of a chunk (see `Attention`), so their keys and values are the same at every
denoising step. No token of a future frame exists.
"""

from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from worldmodel.models.backbone import Backbone, Inputs, layers_of
from worldmodel.models.flow import denoise
from worldmodel.models.layer_pass import gains_of, modulation_table, run_layer
from worldmodel.models.layers import Record, rotary_tables, rotate
from worldmodel.models.sampling import clean_inputs


@dataclass
class Sight:
    """What a chunk attends to.

    Attributes:
        keys: (b h k e) of every layer.
        values: the same.
        frame: number of the frame that it stands in.
    """

    keys: list[Tensor]
    values: list[Tensor]
    frame: int


def look(backbone: Backbone, inputs: Inputs) -> Sight:
    """Reads frames (and the state at them) for a chunk that stands in the last one."""
    record: Record = []
    backbone(inputs, acting=True, record=record)
    n, window = backbone.block_tokens, backbone.config.act_window
    sight = Sight([], [], inputs.latents.shape[1] - 1)
    for layer, pair in zip(layers_of(backbone), record, strict=True):
        if not layer.over_time:
            seen = (x[:, :, -1, : n - 1] for x in pair)
        elif backbone.config.time_attention == "position":
            seen = (x[:, :, -window:, n - 2] for x in pair)
        else:
            seen = (x[:, :, -window:, : n - 1].flatten(2, 3) for x in pair)
        keys, values = seen
        sight.keys.append(keys)
        sight.values.append(values)
    return sight


def plan(
    backbone: Backbone, sight: Sight, embodiment: Int64[Tensor, "b"], noise: Float[Tensor, "b k a"], steps: int
) -> Float[Tensor, "b k a"]:
    """Denoises a chunk in Euler steps."""
    config, device = backbone.config, noise.device
    cos, sin = rotary_tables(torch.tensor([sight.frame], device=device), config.width // config.heads)
    layers, table, gains = layers_of(backbone), modulation_table(backbone, 1.0), gains_of(backbone)

    def in_space(keys: Tensor, values: Tensor, qk: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(qk[0], torch.cat([keys, qk[1]], 2), torch.cat([values, v], 2))

    def over_time(keys: Tensor, values: Tensor, qk: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(rotate(qk[0], cos, sin), keys, values)

    attends = [
        partial(over_time if layer.over_time else in_space, keys, values)
        for layer, keys, values in zip(layers, sight.keys, sight.values, strict=True)
    ]

    def estimate(chunk: Tensor, time: float) -> Tensor:
        clock = torch.full((len(chunk), 1, 1), time, device=device)
        x = backbone.embed_chunk(chunk[:, None, None], clock, embodiment)[:, 0]
        for layer, attend, modulation, gain in zip(layers, attends, table, gains, strict=True):
            x = run_layer(layer, x, modulation, gain, attend)
        return backbone.read_chunk(backbone.norm(x)[:, None], embodiment)[0][:, 0, 0]

    return denoise(noise, estimate, steps)


def act(
    backbone: Backbone,
    latents: Float[Tensor, "b t h w c"],
    state: Float[Tensor, "b s"] | None,
    embodiment: Int64[Tensor, "b"],
    steps: int,
    generator: torch.Generator,
    words: Int64[Tensor, "b words"] | None = None,
) -> Float[Tensor, "b k a"]:
    """Policy: a chunk of actions after the last frame; ``state`` is that at the last frame, ``words`` tell the task."""
    inputs = clean_inputs(backbone, latents, None, embodiment, words)
    if state is not None:
        inputs.state = F.pad(state.unsqueeze(1), (0, 0, latents.shape[1] - 1, 0))
        inputs.state_known = (
            torch.arange(latents.shape[1], device=state.device).expand(len(state), -1) == latents.shape[1] - 1
        )
    if backbone.config.act_window == 1:
        inputs = inputs.last_frame()
    shape = (len(latents), backbone.config.chunk, backbone.action_size)
    noise = torch.randn(shape, generator=generator, device=latents.device)
    return plan(backbone, look(backbone, inputs), embodiment, noise, steps)
