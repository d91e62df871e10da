"""What a game leaves on disk: films, and a LeRobot data set that grows with every save."""

from itertools import count
from pathlib import Path

from worldmodel.data.lerobot_writer import LeRobotWriter
from worldmodel.output import make_folder
from worldmodel.play.session import Session
from worldmodel.types import InputError
from worldmodel.video_io import write_mp4

DATASET, CLIPS = "dataset", "clips"


def save_dataset(session: Session, folder: Path) -> tuple[Path, int, int]:
    """Adds what was played and not saved before to ``folder/dataset``.

    Returns:
        The data set, how many episodes were added, and how many frames they have.

    Raises:
        InputError: nothing new was played, or the data set that is there does not fit.
    """
    takes = session.takes()
    if not takes:
        raise InputError("nothing new to save: play first")
    height, width = session.model.frame_size
    writer = LeRobotWriter(folder / DATASET, session.spec.fps, session.take_spec, height, width)
    for take in takes:
        take.episode_id = f"{take.episode_id}-take-{writer.ever_written}"
        writer.add(take)
        session.forget(take)
    writer.close()
    return writer.root, len(takes), sum(len(take) for take in takes)


def save_clip(session: Session, folder: Path) -> Path:
    """Writes the time line as ``folder/clips/clip_NNNN.mp4``, the first number that is free."""
    clips = make_folder(folder / CLIPS)
    path = next(path for number in count(1) if not (path := clips / f"clip_{number:04d}.mp4").exists())
    write_mp4(path, session.film(), session.spec.fps)
    return path
