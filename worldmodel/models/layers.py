"""Building blocks of the backbone: Fourier features, per-embodiment projections, attention in space and time.

Nothing here knows about noise, actions or modes. Shapes: b batch, t frames, n tokens of a frame, d width.
"""

import math

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F


def fourier_features(x: Float[Tensor, "*batch f"], bands: int) -> Float[Tensor, "*batch g"]:
    """The numbers themselves and their sines and cosines at frequencies pi * 2^0 .. pi * 2^(bands-1).

    Turns a coordinate in [-1, 1] into something a linear layer can compare with places.
    Source: Tancik et al. 2020, "Fourier features let networks learn high frequency functions", section 6.
    """
    if bands == 0:
        return x
    frequencies = math.pi * 2.0 ** torch.arange(bands, device=x.device, dtype=x.dtype)
    angles = (x.unsqueeze(-1) * frequencies).flatten(-2)
    return torch.cat([x, angles.sin(), angles.cos()], -1)


def fourier_size(size: int, bands: int) -> int:
    """Length of ``fourier_features`` of ``size`` numbers."""
    return size * (1 + 2 * bands)


class EmbodimentLinear(nn.Module):
    """One linear layer per embodiment, applied to rows of different embodiments in one product."""

    def __init__(self, embodiments: int, size_in: int, size_out: int, *, zero: bool = False) -> None:
        super().__init__()
        scale = 0.0 if zero else size_in**-0.5
        self.weight = nn.Parameter(torch.randn(embodiments, size_in, size_out) * scale)
        self.bias = nn.Parameter(torch.zeros(embodiments, size_out))

    def forward(self, x: Float[Tensor, "b *rows i"], embodiment: Int64[Tensor, "b"]) -> Float[Tensor, "b *rows o"]:
        flat = x.reshape(x.shape[0], -1, x.shape[-1])
        out = torch.baddbmm(self.bias[embodiment].unsqueeze(1), flat, self.weight[embodiment])
        return out.reshape(*x.shape[:-1], -1)


class EmbodimentMLP(nn.Module):
    """Fourier features -> per-embodiment linear -> SiLU -> shared linear."""

    def __init__(self, embodiments: int, size_in: int, d: int, bands: int) -> None:
        super().__init__()
        self.bands = bands
        self.first = EmbodimentLinear(embodiments, fourier_size(size_in, bands), d)
        self.second = nn.Linear(d, d)

    def forward(self, x: Float[Tensor, "b *rows i"], embodiment: Int64[Tensor, "b"]) -> Float[Tensor, "b *rows d"]:
        return self.second(F.silu(self.first(fourier_features(x, self.bands), embodiment)))


def rotary_tables(times: Int64[Tensor, "t"], head: int) -> tuple[Float[Tensor, "t half"], Float[Tensor, "t half"]]:
    """Cosines and sines of rotary position embedding for the given frame numbers; exact also after thousands of frames.

    Source: Su et al. 2021, "RoFormer", equation 34; base 100 since windows are tens of frames.
    """
    half = head // 2
    angles = times[:, None].double() * 100.0 ** (-torch.arange(half, device=times.device).double() / half)
    return angles.cos().float(), angles.sin().float()


def rotate(
    x: Float[Tensor, "*lead head"], cos: Float[Tensor, "*_ half"], sin: Float[Tensor, "*_ half"]
) -> Float[Tensor, "*lead head"]:
    """Applies rotary position embedding; the tables broadcast against ``x``."""
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], -1)


# Keys and values of every layer, (b h t n e) each; those of attention over time are rotated.
Record = list[tuple[Tensor, Tensor]]


class Attention(nn.Module):
    """Attention with QK-norm over the tokens of a frame (``space``) or over frames (``time``).

    The first ``n`` tokens of every frame are its block, the last of them the readout, to which nothing attends.
    Tokens behind them (action chunks) see the block, their own group and the past, and nobody else sees them.
    ``record`` collects the keys and values of the block, for those who go on from here.
    """

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.out = nn.Linear(d, d, bias=False)
        self.q_norm = nn.RMSNorm(d // heads)
        self.k_norm = nn.RMSNorm(d // heads)

    def project(
        self, x: Float[Tensor, "b t n d"]
    ) -> tuple[Float[Tensor, "b h t n e"], Float[Tensor, "b h t n e"], Float[Tensor, "b h t n e"]]:
        """Queries, keys and values of every head."""
        q, k, v = rearrange(self.qkv(x), "b t n (three h e) -> three b h t n e", three=3, h=self.heads)
        return self.q_norm(q), self.k_norm(k), v

    def space(
        self, x: Float[Tensor, "b t m d"], n: int, *, group: int = 1, record: Record | None = None
    ) -> Float[Tensor, "b t m d"]:
        """Attention inside each frame; tokens behind the block come in groups of ``group``."""
        q, k, v = self.project(x)
        if record is not None:
            record.append((k[:, :, :, :n], v[:, :, :, :n]))
        q, k, v = (rearrange(y, "b h t m e -> (b t) h m e") for y in (q, k, v))
        if x.shape[2] == n:
            out = F.scaled_dot_product_attention(q, k[:, :, :-1], v[:, :, :-1])
        else:
            block = F.scaled_dot_product_attention(q[:, :, :n], k[:, :, : n - 1], v[:, :, : n - 1])
            index = torch.arange(x.shape[2], device=x.device)
            seen = (index < n - 1) | ((index >= n) & ((index - n) // group == (index[n:, None] - n) // group))
            chunk = F.scaled_dot_product_attention(q[:, :, n:], k, v, seen)
            out = torch.cat([block, chunk], 2)
        return self.out(rearrange(out, "(b t) h m e -> b t m (h e)", t=x.shape[1]))

    def time(
        self,
        x: Float[Tensor, "b t m d"],
        n: int,
        *,
        window: int,
        per_position: bool = False,
        record: Record | None = None,
    ) -> Float[Tensor, "b t m d"]:
        """Block-causal attention over the last ``window`` frames, to all their tokens or to the same position only."""
        q, k, v = self.project(x)
        cos, sin = rotary_tables(torch.arange(x.shape[1], device=x.device), q.shape[-1])
        q, k = (rotate(y, cos[:, None], sin[:, None]) for y in (q, k))
        if record is not None:
            record.append((k[:, :, :, :n], v[:, :, :, :n]))
        mask = window_mask(x.shape[1], window, x.device)
        if per_position:
            out = _attend_per_position(q, k, v, n, mask)
        else:
            keys, values = (rearrange(y[:, :, :, : n - 1], "b h t n e -> b h (t n) e") for y in (k, v))
            full = mask.repeat_interleave(x.shape[2], 0).repeat_interleave(n - 1, 1)
            flat = F.scaled_dot_product_attention(rearrange(q, "b h t m e -> b h (t m) e"), keys, values, full)
            out = rearrange(flat, "b h (t m) e -> b h t m e", m=x.shape[2])
        return self.out(rearrange(out, "b h t m e -> b t m (h e)"))


def _attend_per_position(q: Tensor, k: Tensor, v: Tensor, n: int, mask: Tensor) -> Tensor:
    """Every token attends to its own position in past frames; tokens behind the block attend to the last register."""
    extra = q.shape[3] - n
    position = torch.tensor([*range(n), *[n - 2] * extra], device=q.device)
    q, k, v = (rearrange(y, "b h t m e -> b m h t e") for y in (q, k[:, :, :, position], v[:, :, :, position]))
    return rearrange(F.scaled_dot_product_attention(q, k, v, mask), "b m h t e -> b h t m e")


def window_mask(frames: int, window: int, device: torch.device) -> Bool[Tensor, "t t"]:
    """True where a frame (row) may look: itself and ``window - 1`` frames before."""
    index = torch.arange(frames, device=device)
    age = index[:, None] - index
    return (age >= 0) & (age < window)


class Layer(nn.Module):
    """Attention (in space or in time) and an MLP, each scaled, shifted and gated by the frame's condition.

    ``modulation`` is shared by all layers and only shifted here: a matrix per layer would be a third of all weights.
    Source: Peebles & Xie 2022, "DiT" (adaLN-zero); sharing as in Chen et al. 2023, "PixArt-alpha" (adaLN-single).
    """

    def __init__(self, d: int, heads: int, mlp_ratio: float, *, over_time: bool) -> None:
        super().__init__()
        self.over_time = over_time
        hidden = int(d * mlp_ratio)
        self.attention = Attention(d, heads)
        self.norm_attention = nn.RMSNorm(d, elementwise_affine=False)
        self.norm_mlp = nn.RMSNorm(d, elementwise_affine=False)
        back = nn.Linear(hidden, d)
        self.mlp = nn.Sequential(nn.Linear(d, hidden), nn.GELU(), back)
        self.offset = nn.Parameter(torch.zeros(6, d))
        nn.init.ones_(self.offset[2])
        nn.init.ones_(self.offset[5])
        nn.init.normal_(self.attention.out.weight, std=0.02)
        nn.init.normal_(back.weight, std=0.02)

    def forward(
        self, x: Float[Tensor, "b t m d"], modulation: Float[Tensor, "b t 6 d"], n: int, **where: object
    ) -> Float[Tensor, "b t m d"]:
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = (modulation + self.offset).unsqueeze(3).unbind(2)
        y = self.norm_attention(x) * (1 + scale_a) + shift_a
        attend = self.attention.time if self.over_time else self.attention.space
        y = attend(y, n, **where)  # pyright: ignore[reportArgumentType]
        x = x + gate_a * y
        return x + gate_m * self.mlp(self.norm_mlp(x) * (1 + scale_m) + shift_m)
