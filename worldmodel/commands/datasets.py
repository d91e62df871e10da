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
from worldmodel.data.manifest import content_hash
from worldmodel.data.quality import QUARANTINE, Damage, read_quarantine, write_quarantine
from worldmodel.data.tombstones import deleted
from worldmodel.types import EmbodimentSpec, Episode, InputError


def write_lerobot(
    read: Callable[[int], Episode | Damage],
    count: int,
    target: str | Path,
    spec: EmbodimentSpec,
    *,
    title: str,
    recipe: Mapping[str, Any],
    size: tuple[int, int] | None = None,
    crf: int = 0,
) -> int:
    """Writes episodes one by one, reading each when its turn comes; the first good one fixes cameras, size and rate.

    What cannot be used, or does not fit the first, is noted in ``quarantine.json`` beside ``meta``.

    Args:
        read: returns the episode of an index, or why it cannot be used.
        count: number of episodes.
        target: new folder; it appears when the last episode is written.
        spec: the body that acts; its state is left out where the episodes have none.
        title: of the progress bar.
        recipe: how the episodes are made; what an interrupted run has written is used if its recipe was the same.
        size: height and width that pictures are brought to; their own unless given.
        crf: loss of the video, see `LeRobotWriter`.

    Returns:
        How many episodes were left out.

    Raises:
        InputError: no episode, none that can be used, or a place that cannot be written.
    """
    if count == 0:
        raise InputError(f"{target}: no episode to write, wanted at least one")
    with whole_folder(target, recipe) as folder:
        damaged = read_quarantine(folder / QUARANTINE)
        known = {damage.index: damage for damage in damaged}
        gone = deleted()
        index, first = 0, known.get(0) or _prepared(read(0), 0, size, gone)
        while isinstance(first, Damage):
            if index not in known:
                damaged.append(first)
            index += 1
            if index == count:
                raise InputError(f"{target}: none of {count} episodes can be used, wanted one ({damaged[0].detail})")
            first = known.get(index) or _prepared(read(index), index, size, gone)
        writer = _writer_like(first, folder, spec, recipe, crf)
        if not len(writer) and (wrong := writer.mismatch(first)) is not None:
            raise InputError(wrong)
        console = Console(stderr=True)
        hidden = not console.is_terminal
        done = max(len(writer) + len(damaged), index)
        for number in track(range(done, count), title, count, done, console=console, disable=hidden):
            episode = first if number == index else _prepared(read(number), number, size, gone)
            if isinstance(episode, Episode):
                episode = _add(writer, episode, number, first)
            if isinstance(episode, Damage):
                damaged.append(episode)
                write_quarantine(folder / QUARANTINE, number + 1, damaged)
        if damaged:
            write_quarantine(folder / QUARANTINE, count, damaged)
        writer.close()
    return len(damaged)


def _writer_like(
    first: Episode, folder: Path, spec: EmbodimentSpec, recipe: Mapping[str, Any], crf: int
) -> LeRobotWriter:
    if first.state is None:
        spec = replace(spec, state_low=[], state_high=[])
    sizes = {name: f"{frames.shape[1]}x{frames.shape[2]}" for name, frames in first.frames.items()}
    if len(set(sizes.values())) > 1:
        found = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise InputError(f"{first.source}: cameras of several sizes ({found}), wanted --size HEIGHT WIDTH for all")
    height, width = next(iter(first.frames.values())).shape[1:3]
    return LeRobotWriter(folder, first.fps, spec, height, width, list(first.frames), recipe=recipe, crf=crf)


def _add(writer: LeRobotWriter, episode: Episode, index: int, first: Episode) -> Damage | None:
    """Writes an episode, or tells why it does not fit."""
    detail = f"episode {episode.episode_id}: {episode.fps:g} frames/s, wanted {first.fps:g} like the first"
    if episode.fps == first.fps:
        detail = writer.mismatch(episode)
    if detail is None:
        writer.add(episode)
        return None
    return Damage(index, episode.source, "unlike the first", detail)


def _prepared(
    read: Episode | Damage, index: int, size: tuple[int, int] | None, gone: Mapping[str, Mapping[str, str]]
) -> Episode | Damage:
    """Brings an episode to its size, or tells that it was deleted on request."""
    if isinstance(read, Damage):
        return read
    episode = read
    if size is not None:
        episode = replace(read, frames={name: resize_frames(frames, *size) for name, frames in read.frames.items()})
    if (tombstone := gone.get(content_hash(episode))) is None:
        return episode
    return Damage(index, read.source, "deleted", f"episode {read.episode_id}: deleted on {tombstone['date']}")
