"""Where a robot may be sent and how fast, per dimension of its actions, and the nearest command within all of that."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float64

from worldmodel.types import ActionSpec, InputError

Limit = Literal["value", "speed", "workspace"]
Numbers = Float64[np.ndarray, "a"]
VISIBLE = 1e-6  # share of a dimension's range from which on a correction is worth telling; below is rounding


class Interval(NamedTuple):
    """Which values a limit allows, per dimension of the action."""

    limit: Limit
    low: Numbers
    high: Numbers


@dataclass(frozen=True)
class SafetyLimits:
    """What may be commanded.

    A dimension of the action is either *relative*, a displacement from the position that the robot was last drawn to,
    or *absolute*, a value to be reached. Binary and categorical ones take legal values and have no other limits.

    Attributes:
        action: no value outside of [low, high] is ever commanded.
        fps: commands per second; faster ones share the speed limit, slower ones do not earn longer steps.
        axes: per action dimension: the position dimension that it moves; None: it moves none.
        relative: per action dimension: whether it is a displacement.
        max_speed: per action dimension, in its unit per second: of a displacement, or of the change of a value
            between one command and the next; infinite: as fast as the values allow.
        workspace_low: per position dimension: where commands may lead at the least; -inf: anywhere.
        workspace_high: per position dimension: where commands may lead at the most.

    Raises:
        InputError: lists of other lengths, limits that leave nothing, a displacement that cannot be 0, a continuous
            dimension without axis, or a binary or categorical one with axis, displacement or speed.
    """

    action: ActionSpec
    fps: float
    axes: tuple[int | None, ...]
    relative: tuple[bool, ...]
    max_speed: tuple[float, ...]
    workspace_low: tuple[float, ...]
    workspace_high: tuple[float, ...]

    def __post_init__(self) -> None:
        count, axes = len(self.action), len(self.workspace_low)
        lengths = {name: len(getattr(self, name)) for name in ("axes", "relative", "max_speed")}
        if set(lengths.values()) != {count} or len(self.workspace_high) != axes:
            found = f"{lengths}, {axes} lows and {len(self.workspace_high)} highs of the workspace"
            raise InputError(f"safety limits: {found}, wanted {count} of the first, as many lows as highs")
        if not 0.0 < self.fps < np.inf:
            raise InputError(f"safety limits: {self.fps} commands per second, wanted a positive number")
        for low, high in zip(self.workspace_low, self.workspace_high, strict=True):
            if not low < high:
                raise InputError(f"safety limits: workspace [{low}, {high}], wanted low < high")
        for index in range(count):
            self._check(index, axes)

    def _check(self, index: int, axes: int) -> None:
        dim, axis, speed = self.action.dims[index], self.axes[index], self.max_speed[index]
        where = f"safety limits of {dim.name!r}"
        if not speed > 0.0:
            raise InputError(f"{where}: speed {speed}, wanted a positive number")
        if axis is not None and not 0 <= axis < axes:
            raise InputError(f"{where}: position dimension {axis}, wanted one below {axes}")
        if dim.kind != "continuous":
            if axis is not None or self.relative[index] or speed < np.inf:
                raise InputError(f"{where}: {dim.kind} with axis, displacement or speed, wanted none of them")
        elif axis is None:
            raise InputError(f"{where}: no position dimension, wanted the one that it moves")
        elif self.relative[index] and not dim.low <= 0.0 <= dim.high:
            raise InputError(f"{where}: a displacement of {dim.low} to {dim.high}, wanted 0 among its values")

    def hold(self, position: Float64[np.ndarray, "s"], last: Numbers | None) -> Numbers:
        """Returns the command to stay: no displacement, and the values last commanded (before any: those at hand)."""
        values = self._at(position) if last is None else last
        return np.where(self.relative, 0.0, values)

    def within(self, wanted: Numbers, intervals: list[Interval]) -> tuple[Numbers, list[tuple[Limit, str]]]:
        """Returns the nearest command that every limit allows, and what the limits changed, in words."""
        changes: list[tuple[Limit, str]] = []
        values = wanted
        for limit, low, high in intervals:
            allowed = self._legal(np.clip(values, low, high)) if limit == "value" else np.clip(values, low, high)
            for dim, before, after in zip(self.action.dims, values, allowed, strict=True):
                if abs(after - before) > VISIBLE * (dim.high - dim.low):
                    changes.append((limit, f"{dim.name}: {before:g} brought to {after:g} {dim.unit}".rstrip()))
            values = allowed
        return values, changes

    def intervals(self, position: Float64[np.ndarray, "s"], last: Numbers | None, elapsed_s: float) -> list[Interval]:
        """What each limit allows now.

        Args:
            position: from which displacements count.
            last: the command before this one, if there was one.
            elapsed_s: time since that command.
        """
        relative, speed = np.array(self.relative), np.array(self.max_speed)
        low, high = (np.array([getattr(dim, end) for dim in self.action.dims]) for end in ("low", "high"))
        values = self._at(position) if last is None else last
        step = np.full(len(speed), np.inf)
        np.multiply(speed, min(max(elapsed_s, 0.0), 1.0 / self.fps), out=step, where=speed < np.inf)
        start = np.where(relative, 0.0, values)
        box = [self._box(index, position) for index in range(len(speed))]
        return [
            Interval("value", low, high),
            Interval("speed", start - step, start + step),
            Interval("workspace", np.array([least for least, _ in box]), np.array([most for _, most in box])),
        ]

    def conflicts(self, intervals: list[Interval]) -> Iterator[str]:
        """Yields the dimensions for which no value is within all limits, with what the limits allow."""
        for index, dim in enumerate(self.action.dims):
            low = max(float(interval.low[index]) for interval in intervals)
            high = min(float(interval.high[index]) for interval in intervals)
            if low > high:
                limits = ", ".join(f"{i.limit} [{i.low[index]:g}, {i.high[index]:g}]" for i in intervals)
                yield f"{dim.name}: nothing is within {limits}"

    def _box(self, index: int, position: Float64[np.ndarray, "s"]) -> tuple[float, float]:
        axis = self.axes[index]
        if axis is None:
            return -np.inf, np.inf
        low, high = self.workspace_low[axis], self.workspace_high[axis]
        if not self.relative[index]:
            return low, high
        # Who is outside already may stay or come back, but is not pulled: nobody asked for that motion.
        return min(low - position[axis], 0.0), max(high - position[axis], 0.0)

    def _at(self, position: Float64[np.ndarray, "s"]) -> Numbers:
        """The values at hand: the position, and the low end of what has none."""
        pairs = zip(self.axes, self.action.dims, strict=True)
        return np.array([dim.low if axis is None else position[axis] for axis, dim in pairs], np.float64)

    def _legal(self, values: Numbers) -> Numbers:
        """Brings binary and categorical dimensions to the nearest value that they can have."""
        legal = values.copy()
        for index, dim in enumerate(self.action.dims):
            if dim.kind == "binary":
                legal[index] = dim.high if values[index] - dim.low > dim.high - values[index] else dim.low
            elif dim.kind == "categorical":
                legal[index] = np.round(values[index])
        return legal
