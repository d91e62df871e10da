"""How a hand moves a mouse: minimum-jerk paths, longer for far and small things, and misses that are put right.

Flash & Hogan 1985, "The coordination of arm movements"; Fitts 1954, with MacKenzie's logarithm.
"""

import numpy as np
from jaxtyping import Float64

from worldmodel.data.screen import FPS

Point = Float64[np.ndarray, "2"]
Path = Float64[np.ndarray, "n 2"]

START_S, PER_BIT_S = 0.06, 0.12  # time of a movement: to get going, and per bit of difficulty
BOW = 0.06  # how far a path bends aside, as a share of its length (standard deviation)
LEAST_PX = 2.0


def minimum_jerk(share: Float64[np.ndarray, "*n"]) -> Float64[np.ndarray, "*n"]:
    """Share of the way that is done after a share of the time; both from 0 to 1."""
    return share**3 * (10 - 15 * share + 6 * share**2)


def movement_ticks(distance: float, size: float, pace: float = 1.0) -> int:
    """Ticks of 0.1 s that a person takes to reach a thing, at least 1.

    Args:
        distance: to it, px.
        size: of it, px.
        pace: 1 is usual, 2 twice as fast.
    """
    seconds = START_S + PER_BIT_S * np.log2(1 + distance / max(size, LEAST_PX))
    return max(1, round(seconds * FPS / pace))


def stroke(start: Point, end: Point, ticks: int, bend: float = 0.0) -> Path:
    """One movement: where the pointer is at the end of each tick, at rest in ``end`` after the last.

    Args:
        start: where it is, px.
        end: where it goes.
        ticks: how long that takes.
        bend: how far it goes aside half way, as a share of the distance, to the left of the direction if positive.
    """
    done = minimum_jerk(np.arange(1, ticks + 1) / ticks)[:, None]
    way = end - start
    aside = np.array((way[1], -way[0])) * bend
    return start + done * way + 4 * done * (1 - done) * aside


def reach(
    rng: np.random.Generator, start: Point, end: Point, size: float, pace: float = 1.0, miss: bool = False
) -> tuple[Path, Float64[np.ndarray, "m 2"]]:
    """Moves to a thing.

    Args:
        rng: draws how.
        start: where the pointer is, px.
        end: the place to reach.
        size: of what is around it, px.
        pace: see `movement_ticks`.
        miss: land beside it, further off than half its size, and put that right.

    Returns:
        The movement, and the one that corrects it, which is empty without a miss.
    """
    distance = float(np.linalg.norm(end - start))
    ticks = movement_ticks(distance, size, pace * float(np.exp(rng.normal(0, 0.15))))
    bend = float(rng.normal(0, BOW))
    if not miss:
        return stroke(start, end, ticks, bend), np.zeros((0, 2))
    forward = (end - start) / max(distance, 1.0)
    off = rng.choice((-1.0, 1.0)) * (size / 2 + 2 + rng.uniform(0.05, 0.15) * distance)
    side = rng.normal(0, 0.3) * off
    landed = end + off * forward + side * np.array((-forward[1], forward[0]))
    if distance < 1.0:
        landed = end + np.array((off, side))
    gap = float(np.linalg.norm(end - landed))
    return stroke(start, landed, max(1, ticks - 1), bend), stroke(landed, end, movement_ticks(gap, size, pace))
