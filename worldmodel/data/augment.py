"""Turns, mirrors and shifts windows, with the places that their actions and states name: more to imitate.

Somebody who pushes seen from above pushes the same way in a turned picture. What lies outside of the camera's view is
filled with the colour that most of its border has. Pictures that are only shifted move by whole pixels, so that letters
stay sharp; what is no place, such as a key, stays as it is.
Source: Laskin et al. 2020, "Reinforcement learning with augmented data", where actions stay as they are; here they move
along, as the symmetry of the plane asks for (Wang et al. 2022, "SO(2)-equivariant reinforcement learning").
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from einops import rearrange
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn import functional as F

from worldmodel.types import Batch, EmbodimentSpec, InputError


@dataclass(frozen=True)
class Augmentation:
    """How far windows are moved; every frame of a window alike.

    Attributes:
        share: of the rows of a batch that are moved; 0 leaves all as they are.
        turn: largest angle either way, in degrees.
        shift: largest way along each side, 1 being half of it.
        mirror: left and right change places in half of the moved rows.
    """

    share: float = 0.0
    turn: float = 180.0
    shift: float = 0.15
    mirror: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1 or not 0 <= self.turn <= 180 or not 0 <= self.shift < 1:
            raise InputError("augmentation: wanted share 0 to 1, turn 0 to 180 and shift 0 to below 1")


def check_bodies(bodies: Sequence[EmbodimentSpec], config: Augmentation) -> None:
    """Refuses bodies whose actions would not fit turned or mirrored pictures: every number has to be part of a place.

    Raises:
        InputError: names the body and the number.
    """
    if not config.turn and not config.mirror:
        return
    for body in bodies:
        for kind, count, points in (
            ("action", len(body.action), body.action.points),
            ("state", len(body.state_low), body.state_points),
        ):
            if missing := set(range(count)) - {index for point in points for index in point}:
                what = f"{kind} {min(missing)} of {body.name!r} is not part of a place in the picture"
                raise InputError(f"augmentation: {what}, wanted only places, or turn 0 and mirror false")


def augment(
    batch: Batch,
    config: Augmentation,
    bodies: Sequence[EmbodimentSpec],
    encode: Callable[[UInt8[Tensor, "n h w 3"]], Float[Tensor, "n hl wl c"]],
) -> Batch:
    """Moves some rows of a batch that has both frames and latents.

    Args:
        batch: is left as it is.
        config: how far.
        bodies: by the batch's index; see ``check_bodies``.
        encode: the tokenizer, for the moved frames.

    Returns:
        A batch without frames. Actions that would lead out of the picture are masked.
    """
    assert batch.frames is not None
    assert batch.latents is not None
    b, t, height, width = batch.frames.shape[:4]
    rows = torch.randperm(b)[: round(b * config.share)].to(batch.frames.device)
    if not len(rows):
        return replace(batch, frames=None)
    matrix, offset = _draw(len(rows), config, (width, height), batch.frames.device)
    frames = _move_frames(batch.frames[rows], matrix, offset)
    latents = torch.cat([encode(part) for part in frames.flatten(0, 1).split(64)]).unflatten(0, (len(rows), t))
    body = batch.embodiment[rows]
    actions = _move_places(batch.actions[rows], matrix, offset, body, [spec.action.points for spec in bodies])
    mask = batch.action_mask[rows] & (actions.abs() <= 1.05).all(-1)
    moved = replace(batch, frames=None, latents=_put(batch.latents, rows, latents))
    moved.actions, moved.action_mask = _put(batch.actions, rows, actions), _put(batch.action_mask, rows, mask)
    if batch.state is not None:
        places = [spec.state_points for spec in bodies]
        moved.state = _put(batch.state, rows, _move_places(batch.state[rows], matrix, offset, body, places))
    return moved


def _draw(
    count: int, config: Augmentation, size: tuple[int, int], device: torch.device
) -> tuple[Float[Tensor, "n 2 2"], Float[Tensor, "n 2"]]:
    """Random maps from old to new places, both in [-1, 1] along each side: new = matrix old + offset."""
    aspect = size[0] / size[1]
    angle = (2 * torch.rand(count) - 1) * math.radians(config.turn)
    flip = torch.where((torch.rand(count) < 0.5) & config.mirror, -1.0, 1.0)
    cosine, sine = angle.cos(), angle.sin()
    matrix = torch.stack([flip * cosine, -sine / aspect, flip * sine * aspect, cosine], -1).unflatten(-1, (2, 2))
    offset = (2 * torch.rand(count, 2) - 1) * config.shift
    if not config.turn:
        half = torch.tensor(size) / 2
        offset = (offset * half).round() / half
    return matrix.to(device), offset.to(device)


def _move_frames(
    frames: UInt8[Tensor, "n t h w 3"], matrix: Float[Tensor, "n 2 2"], offset: Float[Tensor, "n 2"]
) -> UInt8[Tensor, "n t h w 3"]:
    n, t = frames.shape[:2]
    first = frames[:, 0]
    border = torch.cat([first[:, 0], first[:, -1], first[:, :, 0], first[:, :, -1]], 1).float()
    fill = border.median(1).values.repeat_interleave(t, 0)[..., None, None]
    back = torch.linalg.inv(matrix)
    theta = torch.cat([back, -back @ offset[..., None]], -1).repeat_interleave(t, 0)
    pixels = rearrange(frames, "n t h w c -> (n t) c h w").float() - fill
    grid = F.affine_grid(theta, list(pixels.shape), align_corners=False)
    moved = F.grid_sample(pixels, grid, align_corners=False) + fill
    return rearrange(moved.round().clamp(0, 255).to(torch.uint8), "(n t) c h w -> n t h w c", n=n)


def _move_places(
    values: Float[Tensor, "n t a"],
    matrix: Float[Tensor, "n 2 2"],
    offset: Float[Tensor, "n 2"],
    body: Int64[Tensor, "n"],
    points: Sequence[Sequence[Sequence[int]]],
) -> Float[Tensor, "n t a"]:
    """Moves the numbers that are places; ``points`` per body."""
    values = values.clone()
    for index, pairs in enumerate(points):
        rows = (body == index)[:, None, None]
        for pair in map(list, pairs):
            moved = torch.einsum("nij,ntj->nti", matrix, values[..., pair]) + offset[:, None]
            values[..., pair] = torch.where(rows, moved, values[..., pair])
    return values


def _put(whole: Tensor, rows: Int64[Tensor, "n"], part: Tensor) -> Tensor:
    return whole.index_copy(0, rows, part.to(whole))
