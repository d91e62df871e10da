"""Dreams of whole recordings: real first frames, then only the recorded actions, side by side with the truth."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8
from rich.progress import track
from torch import Tensor

from worldmodel.data.cameras import camera_frames
from worldmodel.data.frames import resize_frames
from worldmodel.metrics import FrameError, changed_mask
from worldmodel.models.frame_tokenizer import covering
from worldmodel.models.instructions import Text
from worldmodel.output import make_folder, whole_file, write_json
from worldmodel.panels import dream_film
from worldmodel.types import EmbodimentSpec, Episode, EpisodeSource, InputError
from worldmodel.video_io import write_mp4


@runtime_checkable
class SamplingConfig(Protocol):
    """How a model samples and acts where a call does not say."""

    @property
    def sampling_steps(self) -> int:
        """Denoising steps per frame."""
        ...

    @property
    def execute(self) -> int:
        """Actions of a chunk that are carried out before the next plan."""
        ...


@runtime_checkable
class Dreamer(Protocol):
    """What a world-action model offers to those who run or measure it; NumPy in and out, actions in their own units."""

    @property
    def config(self) -> SamplingConfig: ...

    @property
    def embodiments(self) -> Sequence[EmbodimentSpec]: ...

    @property
    def frame_size(self) -> tuple[int, int]:
        """Height and width of the frames in pixels."""
        ...

    @property
    def frames_per_latent(self) -> int:
        """Frames that a latent spans after the first one: only 1 + a multiple of it can be encoded."""
        ...

    @property
    def reads_text(self) -> bool:
        """Whether instructions may be given."""
        ...

    @property
    def context_frames(self) -> int:
        """Number of past frames that it looks at."""
        ...

    @property
    def chunk_length(self) -> int:
        """Number of actions that `act` returns."""
        ...

    def imagine(
        self,
        context_frames: UInt8[np.ndarray, "b t h w 3"],
        actions: Float32[np.ndarray, "b k a"],
        *,
        context_actions: Float32[np.ndarray, "b t-1 a"] | None = None,
        steps: int | None = None,
        seed: int = 0,
        embodiment: str | None = None,
        text: Text = None,
    ) -> UInt8[np.ndarray, "b k h w 3"]: ...

    def infer_actions(
        self, frames: UInt8[np.ndarray, "b t h w 3"] | Tensor, *, embodiment: str | None = None, seed: int = 0
    ) -> Float32[np.ndarray, "b k a"]: ...

    def act(
        self,
        context_frames: UInt8[np.ndarray, "b t h w 3"] | Tensor,
        state: Float32[np.ndarray, "b s"] | None = None,
        text: Text = None,
        *,
        seed: int = 0,
        steps: int | None = None,
        embodiment: str | None = None,
    ) -> Float32[np.ndarray, "b k a"]: ...

    def judge(
        self,
        frames: UInt8[np.ndarray, "b t h w 3"],
        actions: Float32[np.ndarray, "b t-1 a"],
        *,
        embodiment: str | None = None,
        text: Text = None,
    ) -> tuple[Float32[np.ndarray, "b t-1"], Float32[np.ndarray, "b t-1"]]: ...

    def imagine_joint(
        self,
        context_frames: UInt8[np.ndarray, "b t h w 3"],
        steps: int = 16,
        *,
        seed: int = 0,
        sampling_steps: int | None = None,
        embodiment: str | None = None,
        text: Text = None,
    ) -> tuple[UInt8[np.ndarray, "b k h w 3"], Float32[np.ndarray, "b k a"]]: ...

    def imagine_video(
        self,
        context_frames: UInt8[np.ndarray, "b t h w 3"],
        steps: int = 16,
        *,
        seed: int = 0,
        sampling_steps: int | None = None,
    ) -> UInt8[np.ndarray, "b k h w 3"]: ...

    def encode(self, frames: UInt8[np.ndarray, "b t h w 3"]) -> Tensor: ...

    def decode(self, latents: Tensor) -> UInt8[np.ndarray, "b t h w 3"]: ...


def rollout(
    model: Dreamer,
    source: EpisodeSource,
    output: str | Path,
    *,
    episodes: Sequence[int] | None = None,
    context_frames: int = 4,
    steps: int | None = None,
    camera: str | None = None,
    sampling_steps: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> dict[str, Any]:
    """Dreams episodes from their first frames and their own actions.

    Writes ``episode_NNNN.mp4`` (real, dream, difference), ``episode_NNNN.npz`` (real, dreamed, actions) and
    ``metrics.json`` into the folder.

    Args:
        model: the dreamer.
        source: recordings with known actions.
        output: folder, made if absent.
        episodes: indices into the source; the first four unless given.
        context_frames: number of real frames that the dream starts from, rounded up to what latents can span.
        steps: number of frames to dream; to the end of the episode unless given.
        camera: see `camera_frames`; the episode's first unless given.
        sampling_steps: denoising steps per frame; the model's own number unless given.
        seed: of the noise.
        progress: show a progress bar.

    Returns:
        What metrics.json holds: PSNR of every episode, beside that of copying the last context frame.

    Raises:
        InputError: an index, camera or embodiment is unknown, an episode is too short or has unknown actions.
    """
    chosen = list(range(min(4, len(source)))) if episodes is None else list(episodes)
    if unknown := [index for index in chosen if not 0 <= index < len(source)]:
        raise InputError(f"{source.path}: no episode {unknown[0]}, wanted 0 to {len(source) - 1}")
    folder = make_folder(output)
    context_frames = covering(context_frames, model.frames_per_latent)
    results: dict[str, Any] = {}
    for index in track(chosen, "dreaming", disable=not progress):
        episode = source[index]
        frames, actions = clip(model, episode, 0, None if steps is None else context_frames + steps, camera)
        if len(frames) <= context_frames:
            where = f"{source.path}: episode {index}"
            raise InputError(f"{where} has {len(frames)} frames, wanted more than the context of {context_frames}")
        dreamed = model.imagine(
            frames[None, :context_frames],
            actions[None, context_frames - 1 :],
            context_actions=actions[None, : context_frames - 1],
            steps=sampling_steps,
            seed=seed,
            embodiment=episode.embodiment,
            text=episode.text if model.reads_text else None,
        )[0]
        name = f"episode_{index:04d}"
        results[name] = _score(frames, dreamed, context_frames)
        write_mp4(folder / f"{name}.mp4", dream_film(frames, dreamed, title=f"episode {index}"), episode.fps)
        with whole_file(folder / f"{name}.npz") as part:
            np.savez_compressed(part, real=frames, dreamed=dreamed, actions=actions)
    metrics = {"episodes": results, "context_frames": context_frames, "seed": seed}
    write_json(folder / "metrics.json", metrics)
    return metrics


def clip(
    model: Dreamer, episode: Episode, start: int, length: int | None, camera: str | None = None
) -> tuple[UInt8[np.ndarray, "t h w 3"], Float32[np.ndarray, "t-1 a"]]:
    """Cuts frames, at the model's size, and the actions between them out of an episode.

    Args:
        model: gives the frame size and the known embodiments.
        episode: the recording.
        start: first frame.
        length: number of frames (fewer where the episode ends before); to the end if None.
        camera: see `camera_frames`; the episode's first unless given.

    Raises:
        InputError: the camera or the embodiment is unknown, or an action in between is.
    """
    where = f"{episode.source}: episode {episode.episode_id}"
    if episode.embodiment not in (names := [spec.name for spec in model.embodiments]):
        raise InputError(f"{where}: embodiment {episode.embodiment!r}, the model knows {', '.join(names)}")
    end = len(episode) if length is None else min(len(episode), start + length)
    if not episode.action_mask[start : end - 1].all():
        raise InputError(f"{where}: unknown actions between frames {start} and {end}, wanted all of them")
    frames = resize_frames(camera_frames(episode, camera)[start:end], *model.frame_size)
    return frames, episode.actions[start : end - 1]


def _score(
    frames: UInt8[np.ndarray, "t h w 3"], dreamed: UInt8[np.ndarray, "k h w 3"], context_frames: int
) -> dict[str, Any]:
    true, last = frames[None, context_frames:], frames[None, context_frames - 1]
    changed = changed_mask(true, last)
    dream, copy_last = FrameError(len(dreamed)), FrameError(len(dreamed))
    dream.add(true, dreamed[None], changed)
    copy_last.add(true, np.broadcast_to(last[:, None], true.shape), changed)
    return {"frames": {**dream.summary(), "copy_last": copy_last.summary()}}
