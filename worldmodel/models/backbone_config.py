"""Shape of the backbone."""

from dataclasses import dataclass

from worldmodel.types import InputError


@dataclass(frozen=True)
class BackboneConfig:
    """Shape of the transformer.

    Attributes:
        width: token width d.
        layers: number of layers; every ``time_every``-th attends over time.
        heads: attention heads; width must be a multiple of twice as many.
        patch: latent cells per token along each side.
        registers: free tokens per frame.
        mlp_ratio: hidden size of the MLP over d.
        window: frames a frame can look back to, itself included.
        act_window: the same when actions are inferred or planned. Short: who sees much of his own motion learns to go
            on as before (de Haan et al. 2019, "Causal confusion in imitation learning"). 1: only ``history`` tells of
            the past, and every frame can be learnt from without those around it.
        history: clean past frames shown beside every noisy one (0: only attention over time connects frames).
        chunk: actions of a policy chunk.
        chunk_tokens: tokens of a chunk; each holds several actions in a row.
        fourier_bands: frequencies for actions and states (0: raw numbers).
        relative_points: show every token the action's point relative to its own centre.
        time_attention: "all" tokens of past frames, or only the same "position".
        text_buckets: entries of the table of word embeddings, which words share by their hashes; 0: instructions are
            not read. A bag of words: their order is not seen.
        read_state: the readout tells the state, too, which a dream would not have otherwise.
        shortcut: told the size of the denoising step, so that it can be distilled to a few large ones.
        discrete: how categorical action dimensions are predicted: "bits" by bit, or as "classes".
    """

    width: int = 192
    layers: int = 8
    heads: int = 4
    patch: int = 2
    registers: int = 1
    mlp_ratio: float = 4.0
    time_every: int = 4
    window: int = 8
    act_window: int = 3
    history: int = 2
    chunk: int = 16
    chunk_tokens: int = 4
    fourier_bands: int = 6
    relative_points: bool = True
    time_attention: str = "all"
    text_buckets: int = 0
    read_state: bool = False
    shortcut: bool = False
    discrete: str = "bits"

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise InputError(f"backbone.width: found {self.width}, wanted a multiple of 2 x heads ({2 * self.heads})")
        if self.time_attention not in ("all", "position"):
            raise InputError(f"backbone.time_attention: found {self.time_attention!r}, wanted 'all' or 'position'")
        if self.discrete not in ("bits", "classes"):
            raise InputError(f"backbone.discrete: found {self.discrete!r}, wanted 'bits' or 'classes'")
        if self.window < 2 or self.history < 0 or self.chunk < 1:
            raise InputError("backbone: wanted window >= 2, history >= 0 and chunk >= 1")
        if not 1 <= self.act_window <= self.window:
            raise InputError(f"backbone.act_window: found {self.act_window}, wanted 1 to window ({self.window})")
        if self.chunk_tokens < 1 or self.chunk % self.chunk_tokens:
            raise InputError(f"backbone.chunk_tokens: found {self.chunk_tokens}, wanted a divisor of {self.chunk}")
