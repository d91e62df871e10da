"""Opens any supported dataset, finding out its format by looking inside."""

import re
from pathlib import Path

from worldmodel.data.embodiments import EMBODIMENTS
from worldmodel.types import EpisodeSource, InputError

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi")
FILE_SUFFIXES = (".hdf5", ".h5", *VIDEO_SUFFIXES)  # such a name is a missing file, not an id on the Hub
FORMATS = ("diffusion_policy", "lerobot", "video")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def open_dataset(path: str | Path, *, embodiment: str | None = None, format: str | None = None) -> EpisodeSource:
    """Opens a dataset for reading, episode by episode.

    Args:
        path: a file or folder, or the id of a LeRobot dataset on the Hugging Face Hub (``"lerobot/pusht"``).
        embodiment: a name of `EMBODIMENTS` that overrides what the dataset says of itself.
        format: one of `FORMATS`; found by looking inside when None.

    Raises:
        InputError: nothing there, unknown format or embodiment, damaged files.
    """
    if embodiment is not None and embodiment not in EMBODIMENTS:
        raise InputError(f"embodiment {embodiment!r} is unknown, wanted one of: {', '.join(EMBODIMENTS)}")
    format = format or detect_format(path)
    # Each format's libraries are loaded only when it is needed.
    if format == "diffusion_policy":
        from worldmodel.data.diffusion_policy import DiffusionPolicySource

        return DiffusionPolicySource(path, embodiment)
    if format == "lerobot":
        from worldmodel.data.lerobot import LeRobotSource

        return LeRobotSource(path, embodiment)
    if format == "video":
        from worldmodel.data.video import VideoSource

        return VideoSource(path, embodiment)
    raise InputError(f"format {format!r} is unknown, wanted one of: {', '.join(FORMATS)}")


def detect_format(path: str | Path) -> str:
    """Tells the format of a dataset from its contents.

    Raises:
        InputError: there is nothing, or nothing that is known.
    """
    place = Path(path)
    if place.is_dir():
        if (place / "meta/info.json").exists():
            return "lerobot"
        if any(file.suffix.lower() in VIDEO_SUFFIXES for file in place.rglob("*")):
            return "video"
        raise InputError(f"{path}: folder without meta/info.json or video clips, wanted a LeRobot dataset or clips")
    if place.is_file():
        with place.open("rb") as file:
            start = file.read(len(HDF5_SIGNATURE))
        if start == HDF5_SIGNATURE:
            return "diffusion_policy"
        if place.suffix.lower() in VIDEO_SUFFIXES:
            return "video"
        raise InputError(f"{path}: unknown format (begins with {start!r}), wanted HDF5, a LeRobot v3 folder or video")
    if HUB_ID.fullmatch(str(path)) and place.suffix.lower() not in FILE_SUFFIXES:
        return "lerobot"
    raise InputError(f"{path}: no such file or folder, wanted a dataset")
