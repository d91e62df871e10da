"""Reads films without actions: every scene between two cuts is an episode whose actions are unknown."""

import glob
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from worldmodel.data.clip import SUFFIXES, Clip
from worldmodel.data.derived import licence_beside
from worldmodel.data.embodiments import EMBODIMENTS
from worldmodel.data.scenes import Scene, find_scenes
from worldmodel.types import ActionSpec, EmbodimentSpec, Episode, InputError


def find_clips(path: Path) -> list[Path]:
    """Returns the clips below a folder, the file itself, or what its name matches as a pattern, in order."""
    if path.is_dir():
        files = list(path.rglob("*"))
    else:
        files = [path] if path.exists() else list(path.parent.glob(path.name))
    return sorted(file for file in files if file.suffix.lower() in SUFFIXES and file.is_file())


class VideoSource:
    """Clips of a folder, decoded when asked for.

    Cuts are looked for when the number of episodes is asked for, once per clip and user, see `find_scenes`. An episode
    is called like its file, and ``FILE#0``, ``FILE#1``, ... where a file holds several scenes.

    Args:
        path: a folder, searched with its subfolders, one clip, or a pattern (``"clips/lab_3*.mp4"``).
        embodiment: a name of `EMBODIMENTS`, whose (unknown) actions the episodes carry; by default there are none.
        cuts: split clips at cuts; otherwise each is one episode.

    Raises:
        InputError: nothing there, no clip in it, unknown embodiment.
    """

    format = "video"

    def __init__(self, path: str | Path, embodiment: str | None = None, *, cuts: bool = True) -> None:
        self.path = str(path)
        if not Path(path).exists() and not glob.has_magic(self.path):
            raise InputError(f"{path}: no such file or folder, wanted video clips")
        self._clips, self._cuts = find_clips(Path(path)), cuts
        if not self._clips:
            raise InputError(f"{path}: no video found, wanted {', '.join(SUFFIXES)}")
        if embodiment is not None and embodiment not in EMBODIMENTS:
            raise InputError(f"embodiment {embodiment!r} is unknown, wanted one of: {', '.join(EMBODIMENTS)}")
        self._licence = licence_beside(Path(path))
        self.embodiments: Sequence[EmbodimentSpec] = [
            EMBODIMENTS[embodiment] if embodiment else EmbodimentSpec("video", ActionSpec(()))
        ]

    @cached_property
    def _scenes(self) -> list[Scene]:
        return find_scenes(Path(self.path), self._clips) if self._cuts else [Scene(clip) for clip in self._clips]

    def __len__(self) -> int:
        return len(self._scenes)

    def __getitem__(self, index: int) -> Episode:
        if not 0 <= index < len(self):
            raise IndexError(f"{self.path}: episode {index} of {len(self)}")
        scene, spec = self._scenes[index], self.embodiments[0]
        clip = Clip(scene.file)
        frames = clip.read(scene.start, scene.stop)
        name = str(scene.file.relative_to(self.path)) if Path(self.path).is_dir() else scene.file.name
        return Episode(
            frames={"pixels": frames},
            actions=np.zeros((len(frames), len(spec.action)), np.float32),
            action_mask=np.zeros(len(frames), bool),
            fps=clip.fps,
            embodiment=spec.name,
            episode_id=name if scene.number is None else f"{name}#{scene.number}",
            source=self.path,
            licence=self._licence,
        ).validate()


def read_clip(path: Path) -> tuple[UInt8[np.ndarray, "t h w 3"], float]:
    """Decodes a whole clip.

    Returns:
        The pictures and their rate in frames per second.

    Raises:
        InputError: the file is truncated, empty or no video, or tells no rate.
    """
    clip = Clip(path)
    return clip.read(), clip.fps
