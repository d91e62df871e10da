"""Writes episodes into a new LeRobot data set, which appears when it is complete; an interrupted run is continued."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from worldmodel.commands.places import whole_folder
from worldmodel.data.frames import resize_frames
from worldmodel.data.lerobot_writer import LeRobotWriter
from worldmodel.types import EmbodimentSpec, Episode, InputError


def write_lerobot(
    read: Callable[[int], Episode],
    count: int,
    target: str | Path,
    spec: EmbodimentSpec,
    *,
    title: str,
    recipe: Mapping[str, Any],
    size: tuple[int, int] | None = None,
) -> None:
    """Writes episodes one by one, reading each when its turn comes; the first one fixes cameras, size and rate.

    Args:
        read: returns the episode of an index.
        count: number of episodes.
        target: new folder; it appears when the last episode is written.
        spec: the body that acts; its state is left out where the episodes have none.
        title: of the progress bar.
        recipe: how the episodes are made; what an interrupted run has written is used if its recipe was the same.
        size: height and width that pictures are brought to; their own unless given.

    Raises:
        InputError: no episode, one that does not fit the first, or a place that cannot be written.
    """
    if count == 0:
        raise InputError(f"{target}: no episode to write, wanted at least one")
    with whole_folder(target, recipe) as folder:
        first = _resized(read(0), size)
        if first.state is None:
            spec = replace(spec, state_low=[], state_high=[])
        height, width = next(iter(first.frames.values())).shape[1:3]
        writer = LeRobotWriter(folder, first.fps, spec, height, width, list(first.frames), recipe=recipe)
        remaining, console = range(len(writer), count), Console(stderr=True)
        hidden = not console.is_terminal
        for index in track(remaining, title, count, len(writer), console=console, disable=hidden):
            episode = first if index == 0 else _resized(read(index), size)
            if episode.fps != first.fps:
                where = f"{episode.source}: episode {episode.episode_id}"
                raise InputError(f"{where} has {episode.fps:g} frames/s, wanted {first.fps:g} like the first")
            writer.add(episode)
        writer.close()


def _resized(episode: Episode, size: tuple[int, int] | None) -> Episode:
    if size is None:
        return episode
    return replace(episode, frames={name: resize_frames(frames, *size) for name, frames in episode.frames.items()})
