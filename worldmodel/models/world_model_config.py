"""Everything that decides the shape of a world model's weights."""

from dataclasses import dataclass, field
from typing import Any

from worldmodel.models.backbone_config import BackboneConfig
from worldmodel.models.frame_tokenizer import check_size
from worldmodel.models.objective import ObjectiveConfig
from worldmodel.models.tokenizer import TokenizerConfig
from worldmodel.types import InputError


@dataclass(frozen=True)
class WorldModelConfig:
    """Everything that decides the shape of the weights, and how they are sampled.

    Attributes:
        height: of the frames, in pixels.
        width: of the frames, in pixels.
        tokenizer: the autoencoder.
        backbone: the transformer.
        objective: noise levels and weights of training; its ``skip_variance`` also serves sampling.
        sampling_steps: Euler steps per dreamed latent unless told otherwise.
        noise_scale: of the noise that frames are dreamed from, 0 to 1. In one denoising step a dream is the mean of
            what may come, and noise only adds to its error: with 0 there is none, and every seed dreams the same.
        still_change: cells of a dreamed latent that differ less (mean square) from what a recent frame shows there are
            taken from it (`worldmodel.models.sampling`); for screens, most of which stands still. 0: all are dreamed.
        refresh: frames from which a dream's memory begins anew once it has lost its first one
            (`worldmodel.models.sampling`). 0: memory slides.
        action_steps: Euler steps per action chunk or inferred action.
        execute: actions of a chunk that a policy carries out before its next plan unless told otherwise (all of them,
            where a chunk has fewer).
    """

    height: int = 64
    width: int = 64
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    sampling_steps: int = 4
    noise_scale: float = 1.0
    still_change: float = 0.0
    refresh: int = 0
    action_steps: int = 8
    execute: int = 8

    def __post_init__(self) -> None:
        check_size(self.height, self.width)
        if not 0.0 <= self.noise_scale <= 1.0:
            raise InputError(f"noise_scale: found {self.noise_scale}, wanted 0 to 1")
        if not self.still_change >= 0.0:
            raise InputError(f"still_change: found {self.still_change}, wanted 0 or more")
        if not 0 <= self.refresh < (window := self.backbone.window):
            raise InputError(f"refresh: found {self.refresh}, wanted 0 to below backbone.window ({window})")
        if self.execute < 1:
            raise InputError(f"execute: found {self.execute}, wanted at least 1 action")
        downsample, patch = self.tokenizer.downsample, self.backbone.patch
        cell = downsample * patch
        if self.height % cell or self.width % cell:
            raise InputError(
                f"frame size {self.height}x{self.width}: wanted height and width divisible by {cell} "
                f"(the tokenizer's {downsample} pixels per latent cell, times backbone.patch {patch})"
            )

    @property
    def rollout(self) -> dict[str, Any]:
        """How frames are dreamed: what `worldmodel.models.sampling.Rollout` is told of it."""
        return {name: getattr(self, name) for name in ("still_change", "noise_scale", "refresh")}
