"""The space-time transformer. Time is cut into blocks, one per frame.

    [ N latent tokens | state | action that led here | registers | readout ]  [ action chunks, in policy mode ]

It maps noisy inputs and their clocks to clean estimates, and knows neither losses nor sampling. Block t also shows
the ``history`` frames before it, clean: a frame that is to be predicted sees where everything was from the first layer
on, and since attention never looks ahead, block t + 1 may hold frame t clean while block t predicts it.
"""

from dataclasses import dataclass, fields, replace

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from worldmodel.models.backbone_config import BackboneConfig
from worldmodel.models.classes import Classes
from worldmodel.models.layers import (
    EmbodimentLinear,
    EmbodimentMLP,
    Layer,
    Record,
    fourier_features,
    fourier_size,
)
from worldmodel.types import ActionSpec, EmbodimentSpec


@dataclass
class Inputs:
    """What the backbone sees. Clocks are flow times: 0 is noise, 1 is data.

    Attributes:
        latents: noisy latents of every frame.
        history: the clean frames before each one, newest first, concatenated over channels.
        history_mask: 1 where that past frame exists.
        clock: flow time of the latents.
        actions: action that led to each frame, noisy where its clock is below 1.
        action_clock: flow time of these actions.
        action_known: False puts the learned null in place of the action.
        embodiment: index of the body.
        state: proprioception at each frame, or None.
        state_known: False puts the learned null in place of the state.
        chunk: noisy actions to come after each frame, or None; r independent draws that do not see each other.
        chunk_clock: flow time of each chunk.
        step_size: size of the denoising step that is taken from each frame, None or 0 where it is small.
        words: of the instruction (`worldmodel.data.words`), None where there is none.
        kept: tokens of the picture that are looked at, and told of, in all frames; None: all.
    """

    latents: Float[Tensor, "b t h w c"]
    history: Float[Tensor, "b t h w hc"]
    history_mask: Float[Tensor, "b t history"]
    clock: Float[Tensor, "b t"]
    actions: Float[Tensor, "b t a"]
    action_clock: Float[Tensor, "b t"]
    action_known: Bool[Tensor, "b t"]
    embodiment: Int64[Tensor, "b"]
    state: Float[Tensor, "b t s"] | None = None
    state_known: Bool[Tensor, "b t"] | None = None
    chunk: Float[Tensor, "b t r k a"] | None = None
    chunk_clock: Float[Tensor, "b t r"] | None = None
    step_size: Float[Tensor, "b t"] | None = None
    words: Int64[Tensor, "b words"] | None = None
    kept: Int64[Tensor, "b m"] | None = None

    def with_latents(self, latents: Tensor, clock: Tensor) -> "Inputs":
        return replace(self, latents=latents, clock=clock)

    def last_frame(self) -> "Inputs":
        """Of the last frame alone, which keeps its history."""
        of_frames = {field.name for field in fields(self)} - {"embodiment", "words", "kept"}
        values = {name: getattr(self, name) for name in of_frames}
        return replace(self, **{name: value[:, -1:] for name, value in values.items() if value is not None})


@dataclass
class Outputs:
    """Clean estimates; ``readout`` holds reward and logit of success of the action that led here (then the state).

    Where a model chooses among classes (``discrete``), ``action_logits`` and ``chunk_logits`` rate every one of them.
    """

    latents: Float[Tensor, "b t h w c"]
    actions: Float[Tensor, "b t a"]
    readout: Float[Tensor, "b t told"]
    chunk: Float[Tensor, "b t r k a"] | None = None
    action_logits: Float[Tensor, "b t classes"] | None = None
    chunk_logits: Float[Tensor, "b t r k classes"] | None = None


class Clock(nn.Module):
    """Embeds flow times."""

    def __init__(self, d: int, *, zero: bool = False) -> None:
        super().__init__()
        last = nn.Linear(d, d)
        if zero:
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.mlp = nn.Sequential(nn.Linear(fourier_size(1, 5), d), nn.SiLU(), last)

    def forward(self, clock: Float[Tensor, "*b"]) -> Float[Tensor, "*b d"]:
        return self.mlp(fourier_features(2.0 * clock.unsqueeze(-1) - 1.0, 5))


class Backbone(nn.Module):
    """See the head of this file; ``grid`` is the latents' height and width in tokens."""

    def __init__(
        self, config: BackboneConfig, embodiments: list[EmbodimentSpec], channels: int, grid: tuple[int, int]
    ) -> None:
        super().__init__()
        self.config, self.grid = config, grid
        d, bodies = config.width, len(embodiments)
        self.action_size = max(body.action.normalised_size for body in embodiments)
        self.state_size = max(1, *(len(body.state_low) for body in embodiments))
        cell = channels * config.patch**2
        self.patch_in = nn.Linear(cell * (1 + config.history), d)
        self.no_history = nn.Parameter(torch.zeros(config.history, d))
        self.place = nn.Parameter(torch.randn(grid[0] * grid[1], d))
        self.special = nn.Parameter(torch.randn(3 + config.registers, d))
        self.null_state = nn.Parameter(torch.zeros(d))
        self.null_action = nn.Parameter(torch.zeros(d))
        self.action_in = EmbodimentMLP(bodies, self.action_size, d, config.fourier_bands)
        self.action_add = nn.Linear(d, d, bias=False)
        self.state_in = EmbodimentMLP(bodies, self.state_size, d, config.fourier_bands)
        self.clock, self.action_clock = Clock(d), Clock(d)
        if config.shortcut:
            self.step_clock = Clock(d, zero=True)
        if config.text_buckets:
            self.word = nn.Embedding(config.text_buckets, d)
            self.word_out = nn.Linear(d, d, bias=False)
            nn.init.zeros_(self.word_out.weight)
        self._init_points(embodiments, d)
        part = self.action_size * config.chunk // config.chunk_tokens
        self.chunk_in = EmbodimentMLP(bodies, part, d, config.fourier_bands)
        self.chunk_place = nn.Parameter(torch.randn(config.chunk_tokens, d))
        self.chunk_out = EmbodimentLinear(bodies, d, part, zero=True)
        scale_and_shift = nn.Linear(d, 6 * d)
        nn.init.zeros_(scale_and_shift.weight)
        self.modulation = nn.Sequential(nn.SiLU(), scale_and_shift)
        self.layers = nn.ModuleList(
            Layer(d, config.heads, config.mlp_ratio, over_time=(i + 1) % config.time_every == 0)
            for i in range(config.layers)
        )
        self.norm = nn.RMSNorm(d)
        self.latent_out = nn.Linear(d, cell)
        nn.init.zeros_(self.latent_out.weight)
        self._init_heads([body.action for body in embodiments], d)

    def _init_heads(self, actions: list[ActionSpec], d: int) -> None:
        """What tells of actions and of how things stand, for every body."""
        config, bodies = self.config, len(actions)
        self.action_out = EmbodimentLinear(bodies, d, self.action_size, zero=True)
        told = 2 + self.state_size * config.read_state
        self.readout = EmbodimentLinear(bodies, d, told, zero=True)
        self.classes = Classes(actions, self.action_size)
        if self.choosing:
            size = self.classes.size
            self.action_class = EmbodimentLinear(bodies, d, size, zero=True)
            self.chunk_class = EmbodimentLinear(bodies, d, size * config.chunk // config.chunk_tokens, zero=True)

    point_index: Tensor
    point_mask: Tensor
    centres: Tensor

    def _init_points(self, embodiments: list[EmbodimentSpec], d: int) -> None:
        """Tables of which action dimensions are points, padded with a mask of zeros."""
        count = max(len(body.action.points) for body in embodiments) if self.config.relative_points else 0
        index = torch.zeros(len(embodiments), count, 2, dtype=torch.long)
        mask = torch.zeros(len(embodiments), count)
        for row, body in enumerate(embodiments):
            for column, point in enumerate(body.action.points[:count]):
                index[row, column], mask[row, column] = torch.tensor(point), 1.0
        self.register_buffer("point_index", index, persistent=False)
        self.register_buffer("point_mask", mask, persistent=False)
        rows, columns = self.grid
        y = (torch.arange(rows) + 0.5) / rows * 2 - 1
        x = (torch.arange(columns) + 0.5) / columns * 2 - 1
        centres = torch.stack([x.expand(rows, -1), y[:, None].expand(-1, columns)], -1).flatten(0, 1)
        self.register_buffer("centres", centres, persistent=False)
        if count:
            bands = self.config.fourier_bands
            self.point_in = nn.Sequential(nn.Linear(fourier_size(2, bands), d), nn.SiLU(), nn.Linear(d, d))

    @property
    def choosing(self) -> bool:
        """Whether it chooses among the values of categorical dimensions."""
        return self.config.discrete == "classes" and self.classes.size > 0

    @property
    def block_tokens(self) -> int:
        """Tokens of one frame's block."""
        return self.grid[0] * self.grid[1] + 3 + self.config.registers

    def forward(self, inputs: Inputs, *, acting: bool = False, record: Record | None = None) -> Outputs:
        """Estimates clean latents, actions and readout of every frame.

        ``acting`` looks back ``act_window`` frames only; ``record`` collects keys and values for `IncrementalBackbone`
        and `plan_chunk`.
        """
        x = self.embed(inputs)
        if inputs.kept is not None:
            x = torch.cat([_take(x, inputs.kept), x[:, :, self.grid[0] * self.grid[1] :]], 2)
        n = x.shape[2]
        if inputs.chunk is not None:
            assert inputs.chunk_clock is not None
            x = torch.cat([x, self.embed_chunk(inputs.chunk, inputs.chunk_clock, inputs.embodiment)], 2)
        modulation = self.condition(inputs.clock, inputs.step_size)
        over_time = {
            "window": self.config.act_window if acting else self.config.window,
            "per_position": self.config.time_attention == "position",
            "record": record,
        }
        in_space = {"group": self.config.chunk_tokens, "record": record}
        for layer in self.layers:
            x = layer(x, modulation, n, **(over_time if layer.over_time else in_space))
        return self.read(self.norm(x), inputs)

    def condition(self, clock: Float[Tensor, "*b"], step_size: Float[Tensor, "*b"] | None) -> Float[Tensor, "*b 6 d"]:
        """How layers are shifted, scaled and gated at a flow time, for a denoising step of some size."""
        embedded = self.clock(clock)
        if self.config.shortcut:
            embedded = embedded + self.step_clock(torch.zeros_like(clock) if step_size is None else step_size)
        return self.modulation(embedded).unflatten(-1, (6, -1))

    def embed_chunk(
        self, chunk: Float[Tensor, "b t r k a"], clock: Float[Tensor, "b t r"], embodiment: Int64[Tensor, "b"]
    ) -> Float[Tensor, "b t rc d"]:
        """Tokens of action chunks: ``chunk_tokens`` for every draw."""
        parts = rearrange(chunk, "b t r (c g) a -> b t r c (g a)", c=self.config.chunk_tokens)
        tokens = self.chunk_in(parts, embodiment) + self.chunk_place + self.action_clock(clock).unsqueeze(3)
        return tokens.flatten(2, 3)

    def embed(self, inputs: Inputs) -> Float[Tensor, "b t n d"]:
        """Tokens of every frame's block."""
        patch = self.config.patch
        cells = rearrange(
            torch.cat([inputs.latents, inputs.history], -1), "b t (h p) (w q) c -> b t (h w) (p q c)", p=patch, q=patch
        )
        latents = self.patch_in(cells) + self.place + ((1.0 - inputs.history_mask) @ self.no_history).unsqueeze(2)
        known = inputs.action_known.unsqueeze(-1)
        given = (inputs.action_known & (inputs.action_clock >= 1.0)).unsqueeze(-1)
        action = self.action_in(inputs.actions, inputs.embodiment)
        latents = latents + torch.where(given, self.action_add(action), 0.0).unsqueeze(2)
        if self.config.relative_points and self.point_index.shape[1]:
            latents = latents + torch.where(given, 1.0, 0.0).unsqueeze(2) * self._points(inputs)
        action = torch.where(known, action + self.action_clock(inputs.action_clock), self.null_action)
        state = self.null_state.expand_as(action)
        if inputs.state is not None:
            assert inputs.state_known is not None
            state = torch.where(inputs.state_known.unsqueeze(-1), self.state_in(inputs.state, inputs.embodiment), state)
        free = self.special[2:].expand(*action.shape[:2], -1, -1)
        if self.config.text_buckets and inputs.words is not None:
            free = free + self._read_words(inputs.words)[:, None, None]
        special = torch.stack([state + self.special[0], action + self.special[1]], 2)
        return torch.cat([latents, special, free], 2)

    def _read_words(self, words: Int64[Tensor, "b words"]) -> Float[Tensor, "b d"]:
        """Embeds instructions; 0 where there is none."""
        there = (words > 0).unsqueeze(-1)
        embedded = self.word(words % self.config.text_buckets) * there
        return self.word_out(embedded.sum(1) / there.sum(1).clamp_min(1).sqrt())

    def _points(self, inputs: Inputs) -> Float[Tensor, "b t n d"]:
        """Embeds where the action's points lie, seen from every token's centre, in units of half the picture."""
        index = self.point_index[inputs.embodiment].flatten(1)[:, None].expand(-1, inputs.actions.shape[1], -1)
        points = inputs.actions.gather(2, index).unflatten(2, (-1, 2))
        relative = points.unsqueeze(2) - self.centres[None, None, :, None]
        embedded = self.point_in(fourier_features(relative, self.config.fourier_bands))
        return (embedded * self.point_mask[inputs.embodiment][:, None, None, :, None]).sum(3)

    def read(self, x: Float[Tensor, "b t m d"], inputs: Inputs) -> Outputs:
        """Everything that the normalised tokens tell: those of a frame's block, then those of chunks."""
        spatial = self.grid[0] * self.grid[1] if inputs.kept is None else inputs.kept.shape[1]
        n, body = spatial + 3 + self.config.registers, inputs.embodiment
        action = x[:, :, spatial + 1]
        actions, logits = self.action_out(action, body), None
        if self.choosing:
            logits = self.action_class(action, body)
            actions = self.classes.expect(actions, logits, body)
        chunk, chunk_logits = (None, None) if inputs.chunk is None else self.read_chunk(x[:, :, n:], body)
        readout = self.readout(x[:, :, n - 1], body)
        return Outputs(self.read_latents(x[:, :, :spatial], inputs.kept), actions, readout, chunk, logits, chunk_logits)

    def read_latents(
        self, x: Float[Tensor, "b t n d"], kept: Int64[Tensor, "b n"] | None = None
    ) -> Float[Tensor, "b t h w c"]:
        """Latents of normalised tokens of pictures; 0 where tokens are not among those kept."""
        cells, (h, w), p = self.latent_out(x), self.grid, self.config.patch
        if kept is not None:
            index = kept[:, None, :, None].expand(cells.shape)
            cells = cells.new_zeros(*cells.shape[:2], h * w, cells.shape[-1]).scatter(2, index, cells)
        return rearrange(cells, "b t (h w) (p q c) -> b t (h p) (w q) c", h=h, p=p, q=p)

    def cells_of(self, kept: Int64[Tensor, "b m"]) -> Float[Tensor, "b h w"]:
        """1 for latent cells of the tokens that are kept, 0 for others."""
        tokens = torch.zeros(len(kept), self.grid[0] * self.grid[1], device=kept.device).scatter(1, kept, 1.0)
        p = self.config.patch
        return tokens.unflatten(1, self.grid).repeat_interleave(p, 1).repeat_interleave(p, 2)

    def read_chunk(
        self, x: Float[Tensor, "b t rc d"], embodiment: Int64[Tensor, "b"]
    ) -> tuple[Float[Tensor, "b t r k a"], Float[Tensor, "b t r k classes"] | None]:
        """Action chunks of normalised tokens; and how classes are rated, by a model that chooses among them."""

        def unfold(parts: Tensor, size: int) -> Tensor:
            return rearrange(parts, "b t (r c) (g a) -> b t r (c g) a", c=self.config.chunk_tokens, a=size)

        chunk = unfold(self.chunk_out(x, embodiment), self.action_size)
        if not self.choosing:
            return chunk, None
        logits = unfold(self.chunk_class(x, embodiment), self.classes.size)
        return self.classes.expect(chunk, logits, embodiment), logits


def _take(x: Float[Tensor, "b t n d"], index: Int64[Tensor, "b m"]) -> Float[Tensor, "b t m d"]:
    return x.gather(2, index[:, None, :, None].expand(-1, x.shape[1], -1, x.shape[3]))


def layers_of(backbone: Backbone) -> list[Layer]:
    """A backbone's layers, in order."""
    return [layer for layer in backbone.layers if isinstance(layer, Layer)]
