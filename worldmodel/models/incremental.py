"""The backbone frame by frame: keys and values of past frames stay in a ring of fixed size, nothing is computed twice.

Every sample counts its own frames, so that one can start anew while others go on. All shapes are static: frame f has
slot f mod window, and whose slot that was is out of sight by then. What a frame computes while it is noisy is
overwritten by its last, clean pass. The result is that of `Backbone.forward` on all frames at once.

Shapes: b batch, n tokens of a frame's block, d width, h heads, e head size, w window, m layers of attention over time.
"""

import torch
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from worldmodel.models.backbone import Backbone, Inputs, Outputs, layers_of
from worldmodel.models.layer_pass import Moment, RunLayers, gains_of, modulation_table, run_layers
from worldmodel.models.layers import Record, rotary_tables


class IncrementalBackbone:
    """A backbone with the memory of a batch of samples; ``run`` carries out `run_layers` (`worldmodel.models.engine`).

    Attributes:
        frames: (b,) frames that each sample has seen.
        keys: (m b n h w e) where tokens attend to their own position in past frames, else (m b h w n e).
        values: the same.
    """

    def __init__(self, backbone: Backbone, embodiment: Int64[Tensor, "b"], run: RunLayers = run_layers) -> None:
        self.backbone, self.embodiment, self.run = backbone, embodiment, run
        config, b, device = backbone.config, len(embodiment), embodiment.device
        self.per_position = config.time_attention == "position"
        self.tokens, self.spatial, self.window = (
            backbone.block_tokens,
            backbone.grid[0] * backbone.grid[1],
            config.window,
        )
        heads, head = config.heads, config.width // config.heads
        own, all_ = (self.tokens, heads, self.window), (heads, self.window, self.tokens - 1)
        self.layers = layers_of(backbone)
        time_layers = sum(layer.over_time for layer in self.layers)
        self.frames = torch.zeros(b, dtype=torch.long, device=device)
        self.keys = torch.zeros(time_layers, b, *(own if self.per_position else all_), head, device=device)
        self.values = torch.zeros_like(self.keys)
        # The columns of the patch embedding that see the frame itself, not its history.
        cell = backbone.latent_out.out_features // config.patch**2
        self._noisy_in = (
            backbone.patch_in.weight.unflatten(1, (config.patch**2, -1))[:, :, :cell].flatten(1).contiguous()
        )
        self._gains = gains_of(backbone)
        self._modulations: dict[tuple[float, float], Tensor] = {}

    def prepare(self, inputs: Inputs) -> Float[Tensor, "b n d"]:
        """Tokens of the next frame's block without its latents: what is the same for all its denoising steps."""
        b, window = len(self.frames), self.window
        cos, sin = (table[:, None, None] for table in rotary_tables(self.frames, self.keys.shape[-1]))
        rows = torch.arange(b, device=cos.device)
        # Slots fill in order: until the ring is full, those up to the present one hold frames.
        held = torch.arange(window, device=cos.device) <= self.frames[:, None]
        repeats = (self.tokens, 0) if self.per_position else (self.tokens - 1, 1)
        mask = held.repeat_interleave(*repeats)[:, None, None]
        self._moment = Moment(self.keys, self.values, cos, sin, rows, self.frames % window, mask, self._gains)
        return self.backbone.embed(inputs.with_latents(torch.zeros_like(inputs.latents), inputs.clock)).squeeze(1)

    def denoise(
        self, tokens: Float[Tensor, "b n d"], latents: Float[Tensor, "b y x c"], time: float, step_size: float = 0.0
    ) -> Float[Tensor, "b y x c"]:
        """What the backbone says of noisy latents at a flow time; ``tokens`` are those of `prepare`."""
        x = self._run(self._show(tokens, latents), time, slice(0, self.spatial), step_size)
        return self.backbone.read_latents(x.unsqueeze(1)).squeeze(1)

    def denoise_jointly(self, inputs: Inputs, time: float) -> Outputs:
        """The same for a single frame whose action is noisy too."""
        x = self._run(self._show(self.prepare(inputs), inputs.latents.squeeze(1)), time, slice(None))
        return self.backbone.read(x.unsqueeze(1), inputs)

    def remember(self, tokens: Float[Tensor, "b n d"], latents: Float[Tensor, "b y x c"]) -> Float[Tensor, "b told"]:
        """Takes in the finished frame; returns its readout, see `Outputs`."""
        x = self._run(self._show(tokens, latents), 1.0, slice(self.tokens - 1, None))
        self.frames += 1
        return self.backbone.readout(x, self.embodiment).squeeze(1)

    def fill(self, inputs: Inputs) -> Outputs:
        """Takes in several clean frames in one pass, where no sample has seen any yet."""
        record: Record = []
        outputs = self.backbone(inputs, record=record)
        t = inputs.latents.shape[1]
        seen = torch.arange(max(0, t - self.window), t, device=self.frames.device)
        over_time = [pair for pair, layer in zip(record, self.layers, strict=True) if layer.over_time]
        for index, pair in enumerate(over_time):
            for ring, new in zip((self.keys[index], self.values[index]), pair, strict=True):
                if self.per_position:
                    ring[:, :, :, seen % self.window] = rearrange(new[:, :, seen], "b h t n e -> b n h t e")
                else:
                    ring[:, :, seen % self.window] = new[:, :, seen, : self.tokens - 1]
        self.frames += t
        return outputs

    def fresh(self, rows: Int64[Tensor, "k"]) -> "IncrementalBackbone":
        """Samples with the embodiments of these ones that have seen nothing yet."""
        return IncrementalBackbone(self.backbone, self.embodiment[rows], self.run)

    def assign(self, rows: Int64[Tensor, "k"], other: "IncrementalBackbone") -> None:
        """Replaces what these samples remember."""
        self.frames[rows] = other.frames
        self.keys[:, rows], self.values[:, rows] = other.keys, other.values

    def _show(self, tokens: Tensor, latents: Tensor) -> Tensor:
        p = self.backbone.config.patch
        cells = rearrange(latents, "b (h p) (w q) c -> b (h w) (p q c)", p=p, q=p)
        return torch.cat([tokens[:, : self.spatial] + F.linear(cells, self._noisy_in), tokens[:, self.spatial :]], 1)

    def _run(
        self, x: Float[Tensor, "b n d"], time: float, wanted: slice, step_size: float = 0.0
    ) -> Float[Tensor, "b _ d"]:
        return self.run(self.backbone, x, self._modulation(time, step_size), self._moment, wanted)

    def _modulation(self, time: float, step_size: float) -> Tensor:
        if (time, step_size) not in self._modulations:
            self._modulations[time, step_size] = modulation_table(self.backbone, time, step_size)
        return self._modulations[time, step_size]
