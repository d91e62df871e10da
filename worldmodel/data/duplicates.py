"""Finds episodes that show the same recording again: encoded anew, resized, brighter or trimmed.

Episodes of one scene look alike without being copies (Push-T, a robot's fixed camera, a screen), so that pictures alone
say nothing. What is hashed is motion: `WINDOW` consecutive pictures of 16x16 grey pixels, less their mean picture, seen
through 256 random hyperplanes; the share of bits in which two hashes differ is the angle between the two motions over
pi (SimHash; Charikar, Similarity estimation techniques from rounding algorithms, STOC 2002). Two episodes are copies if
the hashes of `PROBES` moments, spread over one, lie on average within `CLOSE` of those of the other at the same
distances in time, for some shift that covers more than half of the moments.

Measured at 64x64 px (Push-T) and 160x96 px (DROID): the closest of 34,410 ordered pairs of human demonstrations of
Push-T lie 0.29 apart, of 3,540 pairs of DROID clips 0.37; none is taken for a copy. Of 12 episodes of each, all copies
are found: encoded anew (H.264, crf 32; at most 0.14 apart), half the size (0.05), brighter by an eighth (0.09), without
the first fifth and the last tenth (0.00), and trimmed, brighter and encoded anew together (0.13).

Not compared: episodes with fewer than `LEAST_MOMENTS` moments in motion (still, or under `WINDOW` + 4 pictures), and
copies at another frame rate, mirrored, or of less than half of an episode.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import batched
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

from worldmodel.data.cache import Recordings
from worldmodel.output import write_json

WINDOW = 8  # pictures
SIDE_PX = 16
BITS = 256
STILL = 1.0  # root mean square of a window's differences from its mean picture, of 255, from which on it moves
PROBES = 9
LEAST_MOMENTS = 5
CLOSE = 0.25  # share of bits; unrelated motions differ in half of them
AT_ONCE = 64  # episodes compared with one
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601


@dataclass
class MotionHash:
    """The motion of an episode.

    Attributes:
        bits: a hash, packed, of the window that begins at each picture but the last ones.
        moving: windows in which something moves.
    """

    bits: UInt8[np.ndarray, "n bytes"]
    moving: Bool[np.ndarray, "n"]


@dataclass(frozen=True)
class Duplicate:
    """An episode that shows what another one shows.

    Attributes:
        episode: its index.
        original: index of the other.
        distance: share of bits in which their motion differs, 0 to `CLOSE`.
    """

    episode: int
    original: int
    distance: float


def motion_hash(frames: UInt8[np.ndarray, "t h w 3"]) -> MotionHash:
    """Hashes the motion in every `WINDOW` consecutive pictures of an episode."""
    grey = np.stack([cv2.resize(picture, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA) for picture in frames])
    flat = (grey @ LUMA).reshape(len(grey), -1)
    count = max(0, len(flat) - WINDOW + 1)
    windows = flat[np.arange(count)[:, None] + np.arange(WINDOW)]
    motion = windows - windows.mean(1, keepdims=True)
    bits = motion.reshape(count, WINDOW * SIDE_PX**2) @ _hyperplanes() > 0
    return MotionHash(np.packbits(bits, axis=1), np.sqrt((motion**2).mean((1, 2))) > STILL)


@cache
def _hyperplanes() -> Float32[np.ndarray, "d bits"]:
    return np.random.default_rng(0).standard_normal((WINDOW * SIDE_PX**2, BITS), np.float32)


def find_duplicates(hashes: Sequence[MotionHash], originals: Sequence[MotionHash] | None = None) -> list[Duplicate]:
    """Returns those of the hashed episodes that show the same as another one, each with the closest.

    Args:
        hashes: of episodes.
        originals: of other episodes, to compare with; None: compare with those that come before in ``hashes``.
    """
    best: dict[int, Duplicate] = {}
    probes = [_probes(item.moving) for item in hashes]
    wanted = [_signs(item)[moments] for item, moments in zip(hashes, probes, strict=True)]
    for block in batched(enumerate(hashes if originals is None else originals), AT_ONCE):
        signs = np.concatenate([_signs(item) for _, item in block])
        owner = np.repeat([number for number, _ in block], [len(item.moving) for _, item in block])
        first = 0 if originals is not None else block[0][0] + 1
        for index, moments in enumerate(probes):
            if index < first or len(moments) < LEAST_MOMENTS or not len(owner):
                continue
            distances = _aligned(0.5 - wanted[index] @ signs.T / (2 * BITS), moments, owner)
            if originals is None:
                distances[owner >= index] = 1
            nearest = int(distances.argmin())
            found = Duplicate(index, int(owner[nearest]), float(distances[nearest]))
            if found.distance <= CLOSE and (index not in best or found.distance < best[index].distance):
                best[index] = found
    return [best[index] for index in sorted(best)]


def _probes(moving: Bool[np.ndarray, "n"]) -> Int64[np.ndarray, "k"]:
    """At most `PROBES` windows in motion, spread evenly."""
    places = np.flatnonzero(moving)
    return places[np.unique(np.linspace(0, len(places) - 1, min(PROBES, len(places))).round().astype(int))]


def _signs(item: MotionHash) -> Float32[np.ndarray, "n bits"]:
    """Bits as -1 and 1, whose products count those that agree; zero, half of them, where nothing moves."""
    signs = np.unpackbits(item.bits, axis=1).astype(np.float32) * 2 - 1
    signs[~item.moving] = 0
    return signs


def _aligned(
    apart: Float32[np.ndarray, "k n"], moments: Int64[np.ndarray, "k"], owner: Int64[np.ndarray, "n"]
) -> Float32[np.ndarray, "n"]:
    """Mean distance when the middle probe lies on each window, over the probes that lie in the same episode.

    Args:
        apart: distance of every probe from every window of the originals, end to end.
        moments: where the probes are.
        owner: the episode of every window.

    Returns:
        One distance per window; 1 where half of the probes or fewer lie in the episode.
    """
    middle, count = moments[len(moments) // 2], len(owner)
    total, covered = np.zeros(count, np.float32), np.zeros(count, int)
    for row, shift in zip(apart, (moments - middle).tolist(), strict=True):
        here = slice(max(0, -shift), max(0, count - max(0, shift)))
        there = slice(max(0, shift), max(0, count + min(0, shift)))
        same = owner[here] == owner[there]
        total[here] += np.where(same, row[there], 0)
        covered[here] += same
    return np.where(covered > len(moments) / 2, total / np.maximum(covered, 1), 1).astype(np.float32)


def held_out_duplicates(
    path: Path, recordings: Recordings, train: Int64[np.ndarray, "n"], held: Int64[np.ndarray, "m"]
) -> list[Duplicate]:
    """Finds held-out episodes that show the same as a training episode, and notes them in a JSON file.

    What the file says is believed if it was made for the same split of the same recordings.

    Args:
        path: the file.
        recordings: the dataset; episodes without frames are passed over.
        train: indices of training episodes.
        held: indices of held-out episodes.
    """
    starts, frames = recordings.starts, recordings.frames
    facts = (starts, train, held, np.asarray(frames[:1]))
    key = hashlib.sha256(b"|".join(np.ascontiguousarray(fact).tobytes() for fact in facts)).hexdigest()[:16]
    if path.exists() and json.loads(path.read_text())["key"] == key:
        return read_duplicates(path)
    mine, others = ([int(index) for index in part if starts[index] < starts[index + 1]] for part in (held, train))
    hashes = {index: motion_hash(frames[starts[index] : starts[index + 1]]) for index in (*mine, *others)}
    found = find_duplicates([hashes[index] for index in mine], [hashes[index] for index in others])
    named = [Duplicate(mine[item.episode], others[item.original], item.distance) for item in found]
    write_json(path, {"key": key, "held_out": len(held), "duplicates": [asdict(item) for item in named]})
    return named


def read_duplicates(path: Path) -> list[Duplicate]:
    """What `held_out_duplicates` noted; nothing if there is no such file."""
    if not path.exists():
        return []
    return [Duplicate(**item) for item in json.loads(path.read_text())["duplicates"]]


def duplicates_path(folder: Path, name: str) -> Path:
    """Where the held-out episodes of dataset ``name`` that training episodes repeat are listed."""
    return folder / f"{name}.duplicates.json"
