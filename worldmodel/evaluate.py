"""Scores a model's dreams against recordings it never saw: pictures, obedience to actions, actions read from pictures.

All dreams start from the first frames of a window and see nothing of what follows (open loop). Every number stands
beside two references: the last context frame repeated, and the tokenizer's reconstruction of the true frames (the
ceiling).
"""

import time
from collections.abc import Sequence
from itertools import batched
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from rich.progress import track

from worldmodel.dream_samples import DreamSample, DreamSamples
from worldmodel.evaluation_windows import Window, choose_windows
from worldmodel.metrics import PERFECT_MSE, FrameError, changed_mask, mean_known, r2_per_dim, roc_auc
from worldmodel.models.frame_tokenizer import covering
from worldmodel.rollout import Dreamer
from worldmodel.types import EmbodimentSpec, EpisodeSource, InputError

Actions = Float32[np.ndarray, "n a"]


def evaluate_dream(
    model: Dreamer,
    source: EpisodeSource,
    *,
    context_frames: int = 4,
    steps: int = 16,
    max_windows: int = 128,
    batch: int = 16,
    embodiment: str | None = None,
    camera: str | None = None,
    sampling_steps: int | None = None,
    samples: int = 6,
    seed: int = 0,
    progress: bool = False,
) -> tuple[dict[str, Any], DreamSamples]:
    """Measures open-loop dreams; names and meanings are those of metrics.json.

    Recordings without actions are dreamed without (``video``), and nothing is said of actions.

    ``joint.*`` compares a future that the model invents, with its actions, to what happened. Where many futures are
    possible they need not agree: read ``joint.consistency_r2``, which asks whether the invented actions are the ones
    that the invented frames show (inferred from these frames).

    Args:
        model: the dreamer.
        source: recordings; the windows are kept in memory, one at a time the episodes.
        context_frames: real frames that a dream starts from, rounded up to what latents can span.
        steps: frames to dream.
        max_windows: number of windows, fewer where the recordings are short.
        batch: windows dreamed at once.
        embodiment: whose episodes count; the source's first embodiment unless given.
        camera: see `camera_frames`; every episode's first unless given.
        sampling_steps: denoising steps per frame; the model's own number unless given.
        samples: number of windows to return for looking at.
        seed: chooses the windows and the noise.
        progress: show progress bars.

    Returns:
        The measures, nested, and samples for the report.

    Raises:
        InputError: no usable window, or the model does not know the embodiment.
    """
    body = _body(model, source, embodiment)
    acting = len(body.action) > 0
    context_frames = covering(context_frames, model.frames_per_latent)
    windows = choose_windows(
        source,
        length=context_frames + steps,
        count=max_windows,
        frame_size=model.frame_size,
        embodiment=body.name,
        actions_known=acting,
        camera=camera,
        seed=seed,
        progress=progress,
    )
    shown = set(np.linspace(0, len(windows) - 1, min(samples, len(windows))).astype(int).tolist())
    scores = _Scores(model, context_frames, steps, body.name if acting else None, sampling_steps)
    parts = list(batched(enumerate(windows), batch))
    for number, part in enumerate(track(parts, "dreaming", disable=not progress)):
        rows = {row for row, (index, _) in enumerate(part) if index in shown}
        scores.add([window for _, window in part], rows, seed + number)
    metrics = scores.metrics()
    metrics["rollout"] |= {
        "batch": min(batch, len(windows)),
        "steps": sampling_steps or model.config.sampling_steps,
        "threads": torch.get_num_threads(),
    }
    metrics["data"] = {
        "name": Path(source.path).name,
        "embodiment": body.name,
        "episodes": len({window.episode for window in windows}),
        "windows": len(windows),
        "context_frames": context_frames,
        "horizon": steps,
        "seed": seed,
    }
    return metrics, scores.samples(body.action.names)


def _body(model: Dreamer, source: EpisodeSource, embodiment: str | None) -> EmbodimentSpec:
    name = embodiment or source.embodiments[0].name
    if embodiment is None and not len(source.embodiments[0].action):
        return source.embodiments[0]  # Nothing that a model would have to know.
    specs = {spec.name: spec for spec in model.embodiments}
    if name not in specs:
        raise InputError(f"{source.path}: embodiment {name!r}, the model knows {', '.join(specs)}")
    return specs[name]


class _Scores:
    """Dreams batch after batch and adds up what the measures need; without an embodiment only what pictures tell."""

    def __init__(
        self, model: Dreamer, context: int, steps: int, embodiment: str | None, sampling_steps: int | None
    ) -> None:
        self.model, self.context, self.steps = model, context, steps
        self.embodiment, self.sampling_steps = embodiment, sampling_steps
        self.dream, self.copy_last, self.ceiling, self.joint = (FrameError(steps) for _ in range(4))
        # Windows that have another episode's actions, with the true and the other ones.
        self.obeying, self.shuffled = FrameError(steps), FrameError(steps)
        self.actions: dict[str, list[Actions]] = {}
        self.readout: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}  # true and told
        self.shown: list[DreamSample] = []
        self.timings: list[tuple[int, float]] = []

    def add(self, windows: Sequence[Window], shown: set[int], seed: int) -> None:
        frames = np.stack([window.frames for window in windows])
        context, true = frames[:, : self.context], frames[:, self.context :]
        changed = changed_mask(true, context[:, -1])
        actions = np.stack([window.actions for window in windows])

        started = time.perf_counter()
        texts = [window.text for window in windows] if self.model.reads_text else None
        dreamed = self._imagine(context, actions, actions, seed, texts)
        self.timings.append((dreamed.shape[0] * dreamed.shape[1], time.perf_counter() - started))
        self.dream.add(true, dreamed, changed)
        self.copy_last.add(true, np.broadcast_to(context[:, -1:], true.shape), changed)
        self.ceiling.add(true, _reconstruct(self.model, frames, self.context), changed)

        shuffled, joint = {}, {}
        if self.embodiment is not None:
            shuffled = self._add_shuffled(windows, context, actions, true, dreamed, changed, seed)
            joint = dict(enumerate(self._add_joint(context, actions, true, changed, seed, texts)))
            told = any(window.reward is not None or window.success is not None for window in windows)
            if told and self.model.frames_per_latent == 1:
                self._add_readout(windows, frames, dreamed, actions, texts)
            self._keep(recorded=actions, inferred=self._infer(frames))
            obeyed = self._infer(np.concatenate((context, dreamed), axis=1))
            self._keep(commanded=actions[:, self.context - 1 :], obeyed=obeyed[:, self.context - 1 :])
        for row in sorted(shown):
            label = f"episode {windows[row].episode}, frame {windows[row].start}"
            sample = DreamSample(label, windows[row].fps, frames[row], dreamed[row], shuffled.get(row), joint.get(row))
            self.shown.append(sample)

    def _imagine(
        self,
        context: np.ndarray,
        past: np.ndarray,
        actions: np.ndarray,
        seed: int,
        texts: Sequence[str | None] | None,
    ) -> UInt8[np.ndarray, "b k h w 3"]:
        if self.embodiment is None:
            return self.model.imagine_video(context, self.steps, seed=seed, sampling_steps=self.sampling_steps)
        return self.model.imagine(
            context,
            actions[:, self.context - 1 :],
            context_actions=past[:, : self.context - 1],
            steps=self.sampling_steps,
            seed=seed,
            embodiment=self.embodiment,
            text=texts,
        )

    def _infer(self, frames: np.ndarray) -> Float32[np.ndarray, "b k a"]:
        return self.model.infer_actions(frames, embodiment=self.embodiment)

    def _add_shuffled(
        self,
        windows: Sequence[Window],
        context: np.ndarray,
        actions: np.ndarray,
        true: np.ndarray,
        dreamed: np.ndarray,
        changed: np.ndarray,
        seed: int,
    ) -> dict[int, UInt8[np.ndarray, "k h w 3"]]:
        rows = [row for row, window in enumerate(windows) if window.other_actions is not None]
        if not rows:
            return {}
        others = np.stack([other for window in windows if (other := window.other_actions) is not None])
        # The same noise: only the actions differ.
        texts = [windows[row].text for row in rows] if self.model.reads_text else None
        shuffled = self._imagine(context[rows], actions[rows], others, seed, texts)
        self.obeying.add(true[rows], dreamed[rows], changed[rows])
        self.shuffled.add(true[rows], shuffled, changed[rows])
        return dict(zip(rows, shuffled, strict=True))

    def _add_joint(
        self,
        context: np.ndarray,
        actions: np.ndarray,
        true: np.ndarray,
        changed: np.ndarray,
        seed: int,
        texts: Sequence[str | None] | None,
    ) -> UInt8[np.ndarray, "b k h w 3"]:
        frames, invented = self.model.imagine_joint(
            context, self.steps, seed=seed, sampling_steps=self.sampling_steps, embodiment=self.embodiment, text=texts
        )
        shown = self._infer(np.concatenate((context, frames), axis=1))[:, self.context - 1 :]
        self.joint.add(true, frames, changed)
        self._keep(joint_true=actions[:, self.context - 1 :], joint_invented=invented, joint_shown=shown)
        return frames

    def _add_readout(
        self,
        windows: Sequence[Window],
        frames: np.ndarray,
        dreamed: np.ndarray,
        actions: np.ndarray,
        texts: Sequence[str | None] | None,
    ) -> None:
        """What is read off true and off dreamed frames, beside what was earned; over the frames to come."""
        ahead = slice(self.context - 1, None)
        both = {"": frames, "_dream": np.concatenate((frames[:, : self.context], dreamed), axis=1)}
        for name, pictures in both.items():
            reward, success = self.model.judge(pictures, actions, embodiment=self.embodiment, text=texts)
            for row, window in enumerate(windows):
                if window.reward is not None and np.isfinite(window.reward[ahead]).all():
                    self.readout.setdefault(f"reward{name}", []).append((window.reward[ahead], reward[row, ahead]))
                if window.success is not None:
                    self.readout.setdefault(f"success{name}", []).append((window.success[ahead], success[row, ahead]))

    def _keep(self, **actions: Float32[np.ndarray, "b k a"]) -> None:
        for name, values in actions.items():
            self.actions.setdefault(name, []).append(values.reshape(-1, values.shape[-1]))

    def _all(self, name: str) -> Actions:
        return np.concatenate(self.actions[name]) if name in self.actions else np.zeros((0, 0), np.float32)

    def metrics(self) -> dict[str, Any]:
        # The first batch warms caches up.
        timings = self.timings[1:] or self.timings
        references = {"copy_last": self.copy_last.summary(), "ceiling": self.ceiling.summary()}
        return {
            "frames": {**self.dream.summary(), **references},
            **(self._about_actions() if self.embodiment is not None else {}),
            "rollout": {"frames_per_s": sum(count for count, _ in timings) / sum(seconds for _, seconds in timings)},
        }

    def _about_actions(self) -> dict[str, Any]:
        inverse = r2_per_dim(self._all("recorded"), self._all("inferred"))
        inverse_dream = r2_per_dim(self._all("commanded"), self._all("obeyed"))
        obeying, shuffled = self.obeying.changed_mse, self.shuffled.changed_mse
        ratio = None if obeying is None or shuffled is None else shuffled / max(obeying, PERFECT_MSE)
        return {
            "control": {
                "shuffle_ratio": ratio,
                "inverse_r2_dream": mean_known(inverse_dream),
                "inverse_r2_dream_per_dim": inverse_dream,
            },
            "actions": {"inverse_r2": mean_known(inverse), "inverse_r2_per_dim": inverse},
            **({"readout": self._about_readout()} if self.readout else {}),
            "joint": {
                "frames": {"psnr_db": self.joint.psnr_db, "changed_psnr_db": self.joint.changed_psnr_db},
                "actions_r2": mean_known(r2_per_dim(self._all("joint_true"), self._all("joint_invented"))),
                "consistency_r2": mean_known(r2_per_dim(self._all("joint_invented"), self._all("joint_shown"))),
            },
        }

    def _about_readout(self) -> dict[str, float | None]:
        result: dict[str, float | None] = {}
        for name, pairs in self.readout.items():
            true, told = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
            if name.startswith("reward"):
                result[name.replace("reward", "reward_r2")] = r2_per_dim(true[:, None], told[:, None])[0]
            else:
                result[name.replace("success", "success_auc")] = roc_auc(true, told)
        return result

    def samples(self, action_names: Sequence[str]) -> DreamSamples:
        kept = {name: self._all(name) for name in ("recorded", "inferred", "commanded", "obeyed")}
        return DreamSamples(action_names, self.shown, **kept)


def _reconstruct(
    model: Dreamer, frames: UInt8[np.ndarray, "b t h w 3"], context: int
) -> UInt8[np.ndarray, "b k h w 3"]:
    """What follows ``context`` frames as the tokenizer keeps it; encoded after them where it spans several frames."""
    if (n := model.frames_per_latent) == 1:
        return model.decode(model.encode(frames[:, context:]))
    missing = covering(frames.shape[1], n) - frames.shape[1]
    whole = np.concatenate([frames, np.repeat(frames[:, -1:], missing, 1)], 1)
    return model.decode(model.encode(whole))[:, context : frames.shape[1]]
