"""Quick measures during training: reconstruction for the tokenizer, short open-loop dreams for the backbone."""

from collections.abc import Sequence

import numpy as np
import torch

from worldmodel.data.action_groups import join_actions
from worldmodel.data.cache import Recordings
from worldmodel.metrics import FrameError, changed_mask
from worldmodel.models.backbone import Backbone
from worldmodel.models.frame_tokenizer import FrameTokenizer, covering
from worldmodel.models.sampling import Rollout
from worldmodel.models.world_model import WorldModel
from worldmodel.stages import Stage

CONTEXT, HORIZON = 4, 8  # frames; the context is rounded up to what latents can span


class ValidateTokenizer:
    """PSNR of held-out frames, overall and where they differ from the frame before, per dataset.

    Args:
        recordings: datasets with frames.
        episodes: per dataset, the held-out episodes.
        count: frames per dataset, evenly spread.
    """

    def __init__(self, recordings: Sequence[Recordings], episodes: Sequence[np.ndarray], count: int = 256) -> None:
        self.pairs = []
        for dataset, held in zip(recordings, episodes, strict=True):
            parts = [np.arange(dataset.starts[e] + 1, dataset.starts[e + 1]) for e in held]
            if parts and sum(len(part) for part in parts):
                every = np.concatenate(parts)
                chosen = every[np.linspace(0, len(every) - 1, min(count, len(every))).astype(int)]
                self.pairs.append((dataset.name, np.stack([dataset.frames[i - 1 : i + 1] for i in chosen])))

    @torch.no_grad()
    def __call__(self, stage: Stage) -> dict[str, float]:
        tokenizer: FrameTokenizer = stage.average  # pyright: ignore[reportAssignmentType]
        result = {}
        for name, pairs in self.pairs:
            error = FrameError(1)
            for part in np.array_split(pairs, -(-len(pairs) // 64)):
                frames = torch.from_numpy(part[:, 1]).to(stage.device)
                normalised = tokenizer.decode(tokenizer.encode(frames)).cpu().numpy()
                error.add(part[:, 1:], normalised[:, None], changed_mask(part[:, 1:], part[:, 0]))
            result[f"{name}/psnr_db"] = error.psnr_db or np.nan
            result[f"{name}/changed_psnr_db"] = error.changed_psnr_db or np.nan
        return result


class ValidateDreams:
    """Changed-pixel PSNR of 8-step open-loop dreams on held-out windows, beside copying the last context frame.

    Args:
        model: its tokenizer decodes; the stage's averaged backbone dreams.
        recordings: datasets counted in frames, encoded where a latent is a frame.
        episodes: per dataset, the held-out episodes.
        actions_known: False dreams without actions.
        count: windows per dataset.
    """

    def __init__(
        self,
        model: WorldModel,
        recordings: Sequence[Recordings],
        episodes: Sequence[np.ndarray],
        *,
        actions_known: bool = True,
        count: int = 16,
    ) -> None:
        self.model, self.actions_known = model, actions_known
        self.context = covering(CONTEXT, model.frames_per_latent)
        self.sets = []
        for dataset, held in zip(recordings, episodes, strict=True):
            length = self.context + HORIZON
            fits = [(dataset.starts[e], dataset.starts[e + 1] - length) for e in held]
            starts = [
                np.linspace(low, high, max(1, count // len(fits))).astype(int) for low, high in fits if high >= low
            ]
            if starts:
                self.sets.append((dataset, np.unique(np.concatenate(starts))[:count]))

    @torch.no_grad()
    def __call__(self, stage: Stage) -> dict[str, float]:
        result = {}
        for dataset, starts in self.sets:
            windows = starts[:, None] + np.arange(self.context + HORIZON)
            true = np.stack([dataset.frames[row[0] : row[-1] + 1] for row in windows])
            dreamed = self._dream(stage, dataset, windows, true[:, : self.context])
            last, future = true[:, self.context - 1], true[:, self.context :]
            changed = changed_mask(future, last)
            for name, guess in (("", dreamed), ("copy_last/", np.repeat(last[:, None], HORIZON, 1))):
                error = FrameError(HORIZON)
                error.add(future, guess, changed)
                result[f"{dataset.name}/{name}changed_psnr_db"] = error.changed_psnr_db or np.nan
        return result

    def _dream(self, stage: Stage, dataset: Recordings, windows: np.ndarray, context: np.ndarray) -> np.ndarray:
        model, n = self.model, self.model.frames_per_latent
        body = model.embodiment_index(dataset.spec.name)
        bodies = torch.full((len(windows),), body, device=stage.device)
        average: Backbone = stage.average  # pyright: ignore[reportAssignmentType]
        rollout = Rollout(average, bodies, model.config.objective.skip_variance, range(len(windows)))
        joined = join_actions(dataset.actions[windows[:, :-1]], n)
        size = model.backbone.action_size - joined.shape[-1]
        led = np.pad(joined, ((0, 0), (1, 0), (0, size)))  # to the first latent none led
        actions = torch.from_numpy(led).to(stage.device) if self.actions_known else None
        latents = self._encode(dataset, windows, context).to(stage.device)
        seen, steps = latents.shape[1], model.config.sampling_steps
        rollout.observe(latents, None if actions is None else actions[:, :seen])
        dreamed = [
            rollout.dream(None if actions is None else actions[:, t], steps) for t in range(seen, joined.shape[1] + 1)
        ]
        return model.decode_after(latents, torch.stack(dreamed, 1), HORIZON)

    def _encode(self, dataset: Recordings, windows: np.ndarray, context: np.ndarray) -> torch.Tensor:
        """Latents of the context: those of the cache, or of clips that begin with the window."""
        if dataset.latents is None:
            return self.model.encode(context)
        return torch.from_numpy(dataset.latents[windows[:, : self.context]].astype(np.float32))
