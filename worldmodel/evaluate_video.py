"""Scores dreams of recordings without actions: what the model expects to happen, against what did."""

import time
from collections.abc import Sequence
from itertools import batched
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from rich.progress import track

from worldmodel.dream_samples import DreamSample, DreamSamples
from worldmodel.evaluation_windows import Window, choose_windows
from worldmodel.metrics import FrameError, changed_mask
from worldmodel.models.frame_tokenizer import covering
from worldmodel.rollout import Dreamer
from worldmodel.types import EpisodeSource


def evaluate_video(
    model: Dreamer,
    source: EpisodeSource,
    *,
    context_frames: int,
    steps: int,
    max_windows: int,
    batch: int,
    camera: str | None,
    samples: int,
    seed: int,
    progress: bool,
) -> tuple[dict[str, Any], DreamSamples]:
    """Measures open-loop dreams that know no action; arguments and result are those of `evaluate_dream`.

    Raises:
        InputError: no window is long enough.
    """
    context_frames = covering(context_frames, model.frames_per_latent)
    windows = choose_windows(
        source,
        length=context_frames + steps,
        count=max_windows,
        frame_size=model.frame_size,
        embodiment=source.embodiments[0].name,
        actions_known=False,
        camera=camera,
        seed=seed,
        progress=progress,
    )
    shown = set(np.linspace(0, len(windows) - 1, min(samples, len(windows))).astype(int).tolist())
    scores = _Scores(model, context_frames, steps)
    parts = list(batched(enumerate(windows), batch))
    for number, part in enumerate(track(parts, "dreaming", disable=not progress)):
        rows = {row for row, (index, _) in enumerate(part) if index in shown}
        scores.add([window for _, window in part], rows, seed + number)
    metrics = scores.metrics()
    metrics["rollout"] |= {"batch": min(batch, len(windows)), "threads": torch.get_num_threads()}
    metrics["data"] = {
        "name": Path(source.path).name,
        "embodiment": source.embodiments[0].name,
        "episodes": len({window.episode for window in windows}),
        "windows": len(windows),
        "context_frames": context_frames,
        "horizon": steps,
        "seed": seed,
    }
    none = np.zeros((0, 0), np.float32)
    return metrics, DreamSamples((), scores.shown, none, none, none, none)


class _Scores:
    """Dreams batch after batch and adds up what the measures need."""

    def __init__(self, model: Dreamer, context: int, steps: int) -> None:
        self.model, self.context, self.steps = model, context, steps
        self.dream, self.copy_last, self.ceiling = (FrameError(steps) for _ in range(3))
        self.shown: list[DreamSample] = []
        self.timings: list[tuple[int, float]] = []

    def add(self, windows: Sequence[Window], shown: set[int], seed: int) -> None:
        frames = np.stack([window.frames for window in windows])
        context, true = frames[:, : self.context], frames[:, self.context :]
        changed = changed_mask(true, context[:, -1])
        started = time.perf_counter()
        dreamed = self.model.imagine_video(context, self.steps, seed=seed)
        self.timings.append((len(dreamed) * self.steps, time.perf_counter() - started))
        self.dream.add(true, dreamed, changed)
        self.copy_last.add(true, np.broadcast_to(context[:, -1:], true.shape), changed)
        self.ceiling.add(true, reconstruct(self.model, frames, self.context), changed)
        for row in sorted(shown):
            label = f"episode {windows[row].episode}, frame {windows[row].start}"
            self.shown.append(DreamSample(label, windows[row].fps, frames[row], dreamed[row], None, None))

    def metrics(self) -> dict[str, Any]:
        frames = {"copy_last": self.copy_last.summary(), "ceiling": self.ceiling.summary()}
        timings = self.timings[1:] or self.timings  # the first batch warms caches up
        rate = sum(count for count, _ in timings) / sum(seconds for _, seconds in timings)
        rollout = {"frames_per_s": rate, "steps": self.model.config.sampling_steps}
        return {"frames": {**self.dream.summary(), **frames}, "rollout": rollout}


def reconstruct(model: Dreamer, frames: UInt8[np.ndarray, "b t h w 3"], context: int) -> UInt8[np.ndarray, "b k h w 3"]:
    """What follows ``context`` frames as the tokenizer keeps it; encoded after them where it spans several frames."""
    if (n := model.frames_per_latent) == 1:
        return model.decode(model.encode(frames[:, context:]))
    missing = covering(frames.shape[1], n) - frames.shape[1]
    whole = np.concatenate([frames, np.repeat(frames[:, -1:], missing, 1)], 1)
    return model.decode(model.encode(whole))[:, context : frames.shape[1]]
