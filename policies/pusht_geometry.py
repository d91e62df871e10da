"""Shape and measures of Push-T's block and pusher, in px of the 512 px canvas."""

import numpy as np
from jaxtyping import Float64

Point = Float64[np.ndarray, "2"]
Points = Float64[np.ndarray, "n 2"]

CANVAS_PX = 512.0
WALL_PX = 18.0  # a pusher this far inside the canvas does not squeeze the block through the wall
PUSHER_PX = 15.0  # its radius
AROUND_PX = 104.0  # a circle of this radius about the block's middle holds block and pusher
MIDDLE_PX = np.array((0.0, 45.0))  # of the block, in its own frame
# Corners of the T in the block's own frame, in order around it.
OUTLINE_PX = np.array([(-60, 0), (60, 0), (60, 30), (15, 30), (15, 120), (-15, 120), (-15, 30), (-60, 30)], np.float64)


def unit(vector: Point) -> Point:
    """Returns the direction of a vector (zero stays zero)."""
    return vector / max(float(np.linalg.norm(vector)), 1e-6)


def rotation(angle: float) -> Float64[np.ndarray, "2 2"]:
    """Returns the matrix that turns a column vector by ``angle`` rad."""
    return np.array(((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))))


def block_to_world(points: Float64[np.ndarray, "*n 2"], state: Float64[np.ndarray, "5"]) -> Float64[np.ndarray, "*n 2"]:
    """Places points of the block's own frame on the canvas; ``state`` is pusher x y, block x y, angle."""
    return points @ rotation(state[4]).T + state[2:4]


def edge_points(corners: Points, point: Point) -> Points:
    """Returns, per edge of a polygon, its point nearest to ``point``."""
    edges = np.roll(corners, -1, axis=0) - corners
    share = np.einsum("nd,nd->n", point - corners, edges) / np.einsum("nd,nd->n", edges, edges)
    return corners + np.clip(share, 0.0, 1.0)[:, None] * edges


def nearest_edge(state: Float64[np.ndarray, "5"], point: Point) -> Point:
    """Returns the point of the block's outline nearest to ``point``."""
    points = edge_points(block_to_world(OUTLINE_PX, state), point)
    return points[np.linalg.norm(points - point, axis=1).argmin()]


def sample_outline(rng: np.random.Generator, count: int) -> tuple[Points, Points]:
    """Draws places on the outline, uniform along its length, with their outward normals, in the block's own frame."""
    edges = np.roll(OUTLINE_PX, -1, axis=0) - OUTLINE_PX
    lengths = np.linalg.norm(edges, axis=1)
    chosen = rng.choice(len(edges), count, p=lengths / lengths.sum())
    places = OUTLINE_PX[chosen] + rng.random((count, 1)) * edges[chosen]
    # The corners go round with y pointing down, so (dy, -dx) points out of the block.
    normals = np.stack((edges[chosen, 1], -edges[chosen, 0]), axis=1) / lengths[chosen, None]
    return places, normals
