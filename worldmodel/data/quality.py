"""Tells good recordings from damaged ones. What is left out is written down with its reason, never dropped silently."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from worldmodel.output import write_json
from worldmodel.types import Episode, EpisodeSource, InputError

QUARANTINE = "quarantine.json"
BLACK = 4.0  # brightest mean of a picture, of 255, that counts as black
STILL = 1.0  # largest mean change of a pixel against the first picture, of 255, that counts as frozen
SHORTEST = 2  # frames: fewer hold no action with its effect


@dataclass(frozen=True)
class Damage:
    """Why an episode is not used.

    Attributes:
        index: of the episode in its source.
        source: file or dataset.
        reason: one of ``unreadable``, ``short``, ``black``, ``frozen``, ``constant actions``, ``unlike the first``,
            ``deleted`` (on request, see `worldmodel.data.tombstones`).
        detail: what was found, in words.
        numbers: what was measured.
    """

    index: int
    source: str
    reason: str
    detail: str
    numbers: dict[str, float | int] = field(default_factory=dict)


def find_damage(episode: Episode, index: int) -> Damage | None:
    """Looks at one readable episode.

    Frozen means that every camera shows the same picture all along; constant means that all known actions are equal
    although there are ten or more.
    """

    def damage(reason: str, detail: str, **numbers: float | int) -> Damage:
        return Damage(index, episode.source, reason, f"episode {episode.episode_id}: {detail}", numbers)

    if len(episode) < SHORTEST:
        return damage("short", f"{len(episode)} frames, wanted at least {SHORTEST}", frames=len(episode))
    brightest = max(float(_thin(frames).mean((1, 2, 3)).max()) for frames in episode.frames.values())
    if brightest <= BLACK:
        return damage("black", f"mean brightness at most {brightest:.1f} of 255", brightness=brightest)
    change = max(_change(frames) for frames in episode.frames.values())
    if change <= STILL:
        return damage("frozen", f"pictures differ by at most {change:.2f} of 255 on average", change=change)
    known = episode.actions[episode.action_mask]
    if len(known) >= 10 and known.shape[1] and np.ptp(known, axis=0).max() == 0:
        return damage("constant actions", f"{len(known)} equal actions", actions=len(known))
    return None


def read_good(source: EpisodeSource, index: int) -> Episode | Damage:
    """Reads one episode, or tells why it cannot be used."""
    try:
        episode = source[index].validate()
    except InputError as error:
        return Damage(index, str(source.path), "unreadable", str(error))
    return find_damage(episode, index) or episode


def good_episodes(source: EpisodeSource, damaged: list[Damage]) -> Iterator[Episode]:
    """Yields what can be used, one by one; appends the rest to ``damaged``, so that the two add up to the source."""
    for index in range(len(source)):
        found = read_good(source, index)
        if isinstance(found, Damage):
            damaged.append(found)
        else:
            yield found


def write_quarantine(path: Path, read: int, damaged: list[Damage]) -> None:
    """Writes how many episodes were read, kept and left out, and why."""
    facts = {"read": read, "kept": read - len(damaged), "quarantined": len(damaged)}
    write_json(path, {**facts, "episodes": [asdict(damage) for damage in damaged]})


def read_quarantine(path: Path) -> list[Damage]:
    """What ``write_quarantine`` wrote; nothing if there is no such file."""
    if not path.exists():
        return []
    return [Damage(**damage) for damage in json.loads(path.read_text())["episodes"]]


def _thin(frames: np.ndarray) -> np.ndarray:
    """At most 32 of the frames, every fourth pixel: enough to judge."""
    chosen = np.unique(np.linspace(0, len(frames) - 1, 32).round().astype(int))
    return frames[chosen, ::4, ::4].astype(np.float32)


def _change(frames: np.ndarray) -> float:
    """Largest mean change of a pixel block against the first picture, so that one small moving thing counts."""
    thin = frames[np.unique(np.linspace(0, len(frames) - 1, 32).round().astype(int))].astype(np.float32)
    difference = np.abs(thin - thin[0]).mean(-1)
    t, h, w = difference.shape
    side = min(h, w, 16)
    blocks = difference[:, : h // side * side, : w // side * side].reshape(t, h // side, side, w // side, side)
    return float(blocks.mean((2, 4)).max())
