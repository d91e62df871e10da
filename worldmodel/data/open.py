"""Opens any supported dataset, finding out its format by looking inside."""

import glob
import importlib
import json
import re
from pathlib import Path
from typing import Any

from worldmodel.data.embodiments import EMBODIMENTS
from worldmodel.types import EpisodeSource, InputError

# name -> the class that reads it, in a module of this package; the modules of those that are looked for by their
# contents also have a function ``detect``.
FORMATS = {
    "aloha": "AlohaSource",
    "diffusion_policy": "DiffusionPolicySource",
    "droid": "DroidSource",
    "lerobot": "LeRobotSource",
    "lerobot_v21": "LeRobotV21Source",
    "owamcap": "OwamcapSource",
    "rlds": "RldsSource",
    "robomimic": "RobomimicSource",
    "video": "VideoSource",
}
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
HDF5_SUFFIXES = (".hdf5", ".h5")
VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".gif")
FILE_SUFFIXES = (*HDF5_SUFFIXES, ".mcap", ".tfrecord", *VIDEO_SUFFIXES)  # a missing file, not an id on the Hub
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def open_dataset(
    path: str | Path,
    *,
    embodiment: str | None = None,
    format: str | None = None,
    cuts: bool = True,
    fps: float | None = None,
) -> EpisodeSource:
    """Opens a dataset for reading, episode by episode.

    Args:
        path: a file or folder, a pattern that video clips match (``"clips/lab_3*.mp4"``), or the id of a LeRobot
            dataset on the Hugging Face Hub (``"lerobot/pusht"``).
        embodiment: a name of `EMBODIMENTS` that overrides what the dataset says of itself.
        format: one of `FORMATS`; found by looking inside when None.
        cuts: split video clips at cuts; says nothing to other formats.
        fps: ticks per second that a desktop recording is cut into; its own default when None.

    Raises:
        InputError: nothing there, unknown format or embodiment, damaged files, or ``fps`` of a format that has its own.
    """
    if embodiment is not None and embodiment not in EMBODIMENTS:
        raise InputError(f"embodiment {embodiment!r} is unknown, wanted one of: {', '.join(EMBODIMENTS)}")
    format = format or detect_format(path)
    if format not in FORMATS:
        raise InputError(f"format {format!r} is unknown, wanted one of: {', '.join(FORMATS)}")
    # Each format's libraries are loaded only when it is needed.
    module = importlib.import_module(f"worldmodel.data.{format}")
    options: dict[str, Any] = {"cuts": cuts} if format == "video" else {}
    if fps is not None:
        if format != "owamcap":
            raise InputError(f"{path}: --fps for format {format}, wanted it for desktop recordings (owamcap) only")
        options["fps"] = fps
    return getattr(module, FORMATS[format])(path, embodiment, **options)


def detect_format(path: str | Path) -> str:
    """Tells the format of a dataset from its contents.

    Raises:
        InputError: there is nothing, or nothing that is known.
    """
    place = Path(path)
    if place.is_dir():
        return _detect_folder(place)
    if place.is_file():
        return _detect_file(place)
    if glob.has_magic(str(path)) and place.suffix.lower() in VIDEO_SUFFIXES:
        return "video"
    if HUB_ID.fullmatch(str(path)) and place.suffix.lower() not in FILE_SUFFIXES:
        return "lerobot"
    raise InputError(f"{path}: no such file or folder, wanted a dataset")


def _detect_folder(folder: Path) -> str:
    """The first format of which there is a sign that holds when looked into.

    Clips beside something of which no file can be read are not taken for video without actions.
    """
    if (folder / "meta").is_dir() and ((folder / "meta/info.json").exists() or (folder / "data").is_dir()):
        return "lerobot_v21" if _version(folder) == "v2.1" else "lerobot"  # which tells of a missing info.json
    files = [file for file in folder.rglob("*") if file.is_file()]
    suffixes = {file.suffix.lower() for file in files}
    signs = {
        "owamcap": ".mcap" in suffixes,
        "rlds": any(".tfrecord" in file.name for file in files),
        "droid": any(place.is_dir() for place in (folder / "annotation", *folder.glob("*/annotation"))),
        "robomimic": any(suffix in suffixes for suffix in HDF5_SUFFIXES),
        "aloha": any(suffix in suffixes for suffix in HDF5_SUFFIXES),
    }
    for format, shown in signs.items():
        if shown and _holds(format, folder):
            return format
    if any(suffix in suffixes for suffix in VIDEO_SUFFIXES):
        if found := [format for format, shown in signs.items() if shown]:
            wanted = "whole files, or format video for its clips alone"
            raise InputError(f"{folder}: looks like {' or '.join(found)}, but none of it can be read, wanted {wanted}")
        return "video"
    raise InputError(f"{folder}: folder without meta/info.json, video clips or other recordings, wanted a dataset")


def _detect_file(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(len(HDF5_SIGNATURE))
    if start == HDF5_SIGNATURE:
        return next((format for format in ("robomimic", "aloha") if _holds(format, path)), "diffusion_policy")
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return "video"
    for format, sign in (("owamcap", path.suffix.lower() == ".mcap"), ("rlds", ".tfrecord" in path.name)):
        if sign and _holds(format, path):
            return format
    raise InputError(
        f"{path}: unknown format (begins with {start!r}), wanted HDF5, video, TFRecord, MCAP or a dataset's folder"
    )


def _holds(format: str, path: Path) -> bool:
    return importlib.import_module(f"worldmodel.data.{format}").detect(path)


def _version(folder: Path) -> str | None:
    """Version of a LeRobot dataset; None where its metadata cannot be read, which its reader tells better."""
    try:
        return json.loads((folder / "meta/info.json").read_text()).get("codebase_version")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
