"""What one optimiser step does, for the tokenizer and for the backbone, as Lightning modules.

All randomness of step i comes from (seed, i, rank), so a run that is killed and resumed ends in the same weights.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import lightning
import torch
from einops import rearrange
from torch import Tensor, nn

from worldmodel.config import StageConfig
from worldmodel.data.augment import augment, check_bodies
from worldmodel.data.windows import is_act_step
from worldmodel.models.backbone import Backbone
from worldmodel.models.bodies import own_parameters
from worldmodel.models.equivariance import shift_and_shrink
from worldmodel.models.frame_tokenizer import FrameTokenizer
from worldmodel.models.objective import ObjectiveConfig, act_loss, dream_loss, total
from worldmodel.models.optimizers import build_optimizer
from worldmodel.models.pasting import paste
from worldmodel.models.precision import reduced
from worldmodel.models.self_forcing import dreamed_past, part
from worldmodel.models.tokenizer import reconstruction_loss
from worldmodel.models.world_model import WorldModel
from worldmodel.types import Batch

LATENT_NOISE = 0.05
ROLLOUT_SHARE = 0.5  # of dream steps, where a stage has a ``rollout_window``
DECODER_CHANGED_WEIGHT = 8.0  # of pixels that changed, where the decoder learns alone


class Stage(lightning.LightningModule):
    """Optimiser, learning rate, averaged weights (EMA) and seeding, the same for every stage.

    Args:
        network: what is trained.
        config: of the stage.
        seed: of the run.
    """

    def __init__(self, network: nn.Module, config: StageConfig, seed: int) -> None:
        super().__init__()
        self.network, self.config, self.seed = network, config, seed
        self.average = copy.deepcopy(network).eval().requires_grad_(False) if config.ema else network

    def configure_optimizers(self) -> dict[str, Any]:
        config = self.config
        optimizer = build_optimizer(
            self.network,
            config.optimizer,
            config.learning_rate,
            0.0 if config.only_bodies else config.weight_decay,
            config.precision,
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: self.rate(step))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def rate(self, step: int) -> float:
        """Learning rate over its peak: linear warm-up, constant, linear decay to 2 % over the last share."""
        left = (self.config.steps - step) / max(1.0, self.config.steps * self.config.decay)
        return min(1.0, (step + 1) / max(1, self.config.warmup), max(0.02, left))

    def training_step(self, batch: Sequence[Any], batch_idx: int) -> Tensor:
        self.step, content = batch
        torch.manual_seed(self.seed * 1_000_003 + self.step + self.global_rank * 1_000_000_007)
        with reduced(self.config.precision, self.device):
            losses, loss = self.loss(self.step, content)
        for name, value in losses.items():
            self.log(f"loss/{name}", value)
        self.log("loss/total", loss, prog_bar=True)
        return loss

    def loss(self, step: int, content: Any) -> tuple[dict[str, Tensor], Tensor]:
        """Named losses and what to minimise."""
        raise NotImplementedError

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Steps, then moves the averaged weights (early on they follow faster), before anything is saved."""
        super().optimizer_step(*args, **kwargs)
        if self.config.ema:
            keep = min(self.config.ema, (self.step + 1) / (self.step + 10))
            with torch.no_grad():
                torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1.0 - keep)


class TokenizerStage(Stage):
    """Trains the autoencoder to reconstruct pictures, with noise on its latents, and its decoder alone at the end."""

    def __init__(self, tokenizer: FrameTokenizer, config: StageConfig, seed: int) -> None:
        super().__init__(tokenizer, config, seed)
        both, decoder = self._train_both, self._train_decoder
        self._both = torch.compile(both, dynamic=False) if config.compile else both
        self._decoder = torch.compile(decoder, dynamic=False) if config.compile else decoder

    def _train_both(self, pixels: Tensor, previous: Tensor) -> Tensor:
        tokenizer: FrameTokenizer = self.network  # pyright: ignore[reportAssignmentType]
        latents = tokenizer.bottleneck(pixels)
        noisy = latents + LATENT_NOISE * torch.randn_like(latents)
        loss = self._error(noisy, pixels, previous)
        if self.config.equivariance:
            for moved, pictures in shift_and_shrink(noisy, [pixels, previous]):
                loss = loss + self.config.equivariance * self._error(moved, pictures[0], pictures[1])
        if self.config.pasted:
            mixed = paste(noisy, tokenizer.bottleneck(previous), pixels, previous)
            loss = loss + self.config.pasted * self._error(mixed, pixels, previous)
        return loss

    def _train_decoder(self, pixels: Tensor, previous: Tensor) -> Tensor:
        """Squared error only, without noise: what is measured in the end."""
        tokenizer: FrameTokenizer = self.network  # pyright: ignore[reportAssignmentType]
        with torch.no_grad():
            parts = [tokenizer.bottleneck(pixels)]
            if self.config.pasted:
                parts.append(paste(parts[0], tokenizer.bottleneck(previous), pixels, previous))
        true = pixels, previous, DECODER_CHANGED_WEIGHT
        whole, *mixed = [reconstruction_loss(tokenizer.reconstruct(part), *true, absolute=0.0) for part in parts]
        return whole + self.config.pasted * sum(mixed)

    def _error(self, latents: Tensor, pixels: Tensor, previous: Tensor) -> Tensor:
        tokenizer: FrameTokenizer = self.network  # pyright: ignore[reportAssignmentType]
        return reconstruction_loss(tokenizer.reconstruct(latents), pixels, previous, self.config.changed_weight)

    def loss(self, step: int, content: Sequence[Tensor]) -> tuple[dict[str, Tensor], Tensor]:
        pixels, previous = (rearrange(frames, "n h w c -> n c h w").float() / 255.0 for frames in content)
        decoder_alone = step >= self.config.steps * (1.0 - self.config.decoder_share)
        loss = self._decoder(pixels, previous) if decoder_alone else self._both(pixels, previous)
        return {}, loss


class BackboneStage(Stage):
    """Trains the backbone on latents: dream batches, and act batches in a share ``act_share`` of the steps.

    Args:
        model: its backbone is trained, its tokenizer only serves validation and augmentation.
        config: of the stage.
        seed: of the run.
        actions_known: False for pretraining on video.
        distill: learn large denoising steps from small ones of the averaged weights.

    Raises:
        InputError: augmentation for a body whose actions are no places in the picture.
    """

    def __init__(
        self, model: WorldModel, config: StageConfig, seed: int, *, actions_known: bool = True, distill: bool = False
    ) -> None:
        super().__init__(model.backbone, config, seed)
        self.objective: ObjectiveConfig = model.config.objective
        self._used = {name: getattr(model.config, name) for name in ("still_change", "noise_scale")}
        self.actions_known, self.distill = actions_known, distill
        own = own_parameters(model.backbone)
        for name, parameter in model.backbone.named_parameters():
            parameter.requires_grad_(not config.only_bodies or name in own)
        self._bodies, self._encode = model.embodiments, model.tokenizer.encode
        if config.act_augment.share:
            check_bodies(self._bodies, config.act_augment)
        self._dream = torch.compile(self._dream_loss, dynamic=False) if config.compile else self._dream_loss
        self._act = torch.compile(self._act_loss, dynamic=False) if config.compile else self._act_loss

    def _dream_loss(self, batch: Batch) -> tuple[dict[str, Tensor], Tensor]:
        teacher = self.average if self.distill else None
        losses = dream_loss(
            self.network,  # pyright: ignore[reportArgumentType]
            batch,
            self.objective,
            actions_known=self.actions_known,
            teacher=teacher,  # pyright: ignore[reportArgumentType]
        )
        return losses, total(losses, self.objective)

    def _act_loss(self, batch: Batch) -> tuple[dict[str, Tensor], Tensor]:
        losses = act_loss(self.network, batch, self.objective)  # pyright: ignore[reportArgumentType]
        return losses, total(losses, self.objective)

    def _after_rollout(self, batch: Batch) -> Batch:
        """A part of long windows, whose past is dreamed in some of the steps."""
        network: Backbone = self.network  # pyright: ignore[reportAssignmentType]
        if self.actions_known and torch.rand(()) < ROLLOUT_SHARE:
            batch = replace(batch, past=dreamed_past(network, batch, self.objective.skip_variance, **self._used))
        first = int(torch.randint(self.config.rollout_window - self.config.window + 1, ()))
        return part(batch, first, self.config.window)

    def loss(self, step: int, content: Batch) -> tuple[dict[str, Tensor], Tensor]:
        acting = self.actions_known and is_act_step(step, self.config.act_share)
        if acting and self.config.act_augment.share:
            with torch.no_grad():
                content = augment(content, self.config.act_augment, self._bodies, self._encode)
        if self.config.rollout_window and not acting:
            content = self._after_rollout(content)
        return self._act(content) if acting else self._dream(content)
