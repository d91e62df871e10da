"""Reads a folder of video clips without actions: every clip is an episode whose actions are unknown."""

from collections.abc import Sequence
from pathlib import Path

import decord
import numpy as np
from jaxtyping import UInt8

from worldmodel.data.embodiments import EMBODIMENTS
from worldmodel.types import ActionSpec, EmbodimentSpec, Episode, InputError

decord.logging.set_level(decord.logging.QUIET)  # a broken clip is told once, by the InputError

SUFFIXES = (".mp4", ".mkv", ".webm", ".avi")


def find_clips(path: Path) -> list[Path]:
    """Returns the clips below a folder (or the file itself), in the order of their paths."""
    if path.is_file():
        return [path] if path.suffix.lower() in SUFFIXES else []
    return sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())


class VideoSource:
    """Clips of a folder, decoded when asked for.

    Args:
        path: a folder, searched with its subfolders, or one clip.
        embodiment: a name of `EMBODIMENTS`, whose (unknown) actions the episodes carry; by default there are none.

    Raises:
        InputError: nothing there, no clip in it, unknown embodiment.
    """

    format = "video"

    def __init__(self, path: str | Path, embodiment: str | None = None) -> None:
        self.path = str(path)
        if not Path(path).exists():
            raise InputError(f"{path}: no such file or folder, wanted video clips")
        self._clips = find_clips(Path(path))
        if not self._clips:
            raise InputError(f"{path}: no video found, wanted {', '.join(SUFFIXES)}")
        if embodiment is not None and embodiment not in EMBODIMENTS:
            raise InputError(f"embodiment {embodiment!r} is unknown, wanted one of: {', '.join(EMBODIMENTS)}")
        self.embodiments: Sequence[EmbodimentSpec] = [
            EMBODIMENTS[embodiment] if embodiment else EmbodimentSpec("video", ActionSpec(()))
        ]

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> Episode:
        if not 0 <= index < len(self):
            raise IndexError(f"{self.path}: episode {index} of {len(self)}")
        clip, spec = self._clips[index], self.embodiments[0]
        frames, fps = read_clip(clip)
        return Episode(
            frames={"pixels": frames},
            actions=np.zeros((len(frames), len(spec.action)), np.float32),
            action_mask=np.zeros(len(frames), bool),
            fps=fps,
            embodiment=spec.name,
            episode_id=str(clip.relative_to(self.path)) if clip != Path(self.path) else clip.name,
            source=self.path,
        ).validate()


def read_clip(path: Path) -> tuple[UInt8[np.ndarray, "t h w 3"], float]:
    """Decodes a whole clip.

    Returns:
        The pictures and their rate in frames per second.

    Raises:
        InputError: the file is truncated, empty or no video, or tells no rate.
    """
    try:
        reader = decord.VideoReader(str(path), num_threads=1)
        frames, fps = reader.get_batch(range(len(reader))).asnumpy(), float(reader.get_avg_fps())
    except (decord.DECORDError, RuntimeError, ValueError, MemoryError) as error:
        raise InputError(f"{path}: cannot be decoded to its end, wanted a whole video file") from error
    if not 0.0 < fps < np.inf:
        raise InputError(f"{path}: {fps} frames per second, wanted a positive number")
    return frames, fps
