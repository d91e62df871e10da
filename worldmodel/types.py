"""Records that everything else exchanges: episodes, batches, action descriptions and the policy protocol.

Axis legend, used in every shape of this package:

    b batch    t time (frames)    h w height, width in pixels    c channels    a action dimensions    s state dimensions
    k actions in a chunk    n tokens of one frame    d token width

Alignment rule, stated once: ``actions[t]`` is taken after seeing ``frames[t]`` and leads to ``frames[t + 1]``;
``reward[t]`` is what that action earned. An episode of t frames therefore has t actions, and the last one
leads to no recorded frame (``action_mask`` is False there unless its value is known).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8
from torch import Tensor

from worldmodel.analog_bits import bits_for, from_bits, to_bits

SURROGATE = re.compile("[\ud800-\udfff]")  # half a character, which no file can hold
ActionKind = Literal["continuous", "binary", "categorical"]


class InputError(ValueError):
    """Something a person handed to the program is wrong; the message is one line: where, found, wanted.

    The command line prints it without a traceback and ends with exit code 2.
    """


@dataclass(frozen=True)
class ActionDim:
    """One dimension of an action.

    Attributes:
        name: what moves, such as ``"target_x"``.
        kind: ``continuous`` in [low, high], ``binary`` (low or high), ``categorical`` (integers low..high).
        low: smallest value, in ``unit``.
        high: largest value, in ``unit``.
        unit: unit of the values, such as ``"px"`` or ``"rad"``.
    """

    name: str
    kind: ActionKind = "continuous"
    low: float = -1.0
    high: float = 1.0
    unit: str = ""

    def __post_init__(self) -> None:
        if self.kind not in get_args(ActionKind) or not isinstance(self.name, str) or not isinstance(self.unit, str):
            found = f"name {self.name!r}, kind {self.kind!r}, unit {self.unit!r}"
            raise InputError(f"action dimension: wanted text and a kind of {get_args(ActionKind)}, found {found}")
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise InputError(
                f"action dimension {self.name!r}: wanted finite low < high, found [{self.low}, {self.high}]"
            )


@dataclass(frozen=True)
class ActionSpec:
    """Describes every dimension of an embodiment's actions.

    Attributes:
        dims: one entry per dimension.
        points: pairs of dimension indices (x, y) that are a place in the picture, whose [low, high] spans the picture's
            width and height; the model then sees the place relative to every latent token.

    A model takes actions ``normalised``: numbers in [-1, 1], one per dimension, and behind them the further bits of
    categorical dimensions, whose own number is their lowest bit (`worldmodel.analog_bits`).
    """

    dims: tuple[ActionDim, ...]
    points: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        if any(not 0 <= index < self.normalised_size for point in self.points for index in point):
            raise InputError(f"action points {self.points}: wanted indices below {self.normalised_size}")

    def __len__(self) -> int:
        return len(self.dims)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dim.name for dim in self.dims)

    @property
    def low(self) -> Float32[np.ndarray, "a"]:
        return np.array([dim.low for dim in self.dims], np.float32)

    @property
    def high(self) -> Float32[np.ndarray, "a"]:
        return np.array([dim.high for dim in self.dims], np.float32)

    @cached_property
    def categorical(self) -> tuple[tuple[int, int, tuple[int, ...]], ...]:
        """Of every categorical dimension: its index, how many values it has, and where its bits are when normalised."""
        found, end = [], len(self.dims)
        for index, dim in enumerate(self.dims):
            if dim.kind == "categorical":
                count = round(dim.high - dim.low) + 1
                more = bits_for(count) - 1
                found.append((index, count, (index, *range(end, end + more))))
                end += more
        return tuple(found)

    @property
    def normalised_size(self) -> int:
        """How many numbers a normalised action has."""
        return len(self.dims) + sum(len(bits) - 1 for _, _, bits in self.categorical)

    def normalise(self, actions: Float32[np.ndarray, "*t a"]) -> Float32[np.ndarray, "*t n"]:
        """Maps actions in their own units to [-1, 1] (values outside [low, high] are clipped)."""
        unit = (actions - self.low) / (self.high - self.low)
        result = np.zeros((*actions.shape[:-1], self.normalised_size), np.float32)
        result[..., : len(self)] = np.clip(2.0 * unit - 1.0, -1.0, 1.0)
        for index, count, bits in self.categorical:
            result[..., list(bits)] = to_bits((actions - self.low)[..., index], count)
        return result

    def denormalise(self, actions: Float32[np.ndarray, "*t n"]) -> Float32[np.ndarray, "*t a"]:
        """Maps [-1, 1] back to the actions' own units, snapping binary and categorical dimensions to legal values."""
        unit = (np.clip(actions[..., : len(self)], -1.0, 1.0) + 1.0) / 2.0
        values = self.low + unit * (self.high - self.low)
        for index, dim in enumerate(self.dims):
            if dim.kind == "binary":
                values[..., index] = np.where(unit[..., index] > 0.5, dim.high, dim.low)
        for index, count, bits in self.categorical:
            values[..., index] = self.low[index] + from_bits(actions[..., list(bits)], count)
        return values.astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "ActionSpec":
        dims = tuple(ActionDim(**dim) for dim in values["dims"])
        return ActionSpec(dims, tuple((int(x), int(y)) for x, y in values.get("points", ())))


@dataclass
class Episode:
    """One recording of one embodiment.

    Attributes:
        frames: camera name -> pictures; all cameras hold the same number of frames.
        actions: in the embodiment's own units; NaN nowhere.
        action_mask: True where the action is known.
        fps: frames per second.
        embodiment: who acts, such as ``"pusht"``; names the projections of the model.
        episode_id: unique within its source.
        source: where it came from (path or dataset id).
        licence: SPDX id, or ``"unknown"``.
        state: proprioception, such as the end effector's position, or None.
        reward: earned by ``actions[t]``; NaN where unknown.
        success: True from the action on that reached the goal; None where unknown.
        terminated: the episode ended in a final state (and was not cut short).
        text: instruction, or None.
        audio: waveform in [-1, 1], or None.
        confidence: of actions that were inferred (`worldmodel.label`), from 0 to 1; None: they were recorded.
        events: what was done with mouse and keyboard, see `worldmodel.data.raw_events`; None where nobody kept it.
    """

    frames: dict[str, UInt8[np.ndarray, "t h w 3"]]
    actions: Float32[np.ndarray, "t a"]
    action_mask: Bool[np.ndarray, "t"]
    fps: float
    embodiment: str
    episode_id: str
    source: str
    licence: str = "unknown"
    state: Float32[np.ndarray, "t s"] | None = None
    reward: Float32[np.ndarray, "t"] | None = None
    success: Bool[np.ndarray, "t"] | None = None
    terminated: bool = False
    text: str | None = None
    audio: Float32[np.ndarray, "samples"] | None = None
    confidence: Float32[np.ndarray, "t"] | None = None
    events: list[dict[str, Any]] | None = None

    def __len__(self) -> int:
        return len(self.actions)

    def validate(self) -> "Episode":
        """Returns the episode itself.

        Raises:
            InputError: no camera, unequal lengths, pictures that are not uint8 RGB, a rate that is not
                positive, or values that are not finite.
        """
        where = f"{self.source}: episode {self.episode_id}"
        if not self.frames:
            raise InputError(f"{where}: no camera found, wanted at least one")
        for name, frames in self.frames.items():
            if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
                raise InputError(
                    f"{where}: camera {name!r} is {frames.dtype} {frames.shape}, wanted uint8 (t, h, w, 3)"
                )
            if 0 in frames.shape[1:3]:
                raise InputError(f"{where}: camera {name!r} shows pictures of {frames.shape[1:3]} px, wanted some")
        lengths = {f"camera {name}": len(frames) for name, frames in self.frames.items()}
        for name in ("actions", "action_mask", "state", "reward", "success", "confidence"):
            if (values := getattr(self, name)) is not None:
                lengths[name] = len(values)
        if len(set(lengths.values())) != 1:
            raise InputError(
                f"{where}: lengths differ ({', '.join(f'{k} {v}' for k, v in lengths.items())}), wanted one length"
            )
        if not 0.0 < self.fps < np.inf:
            raise InputError(f"{where}: {self.fps} frames per second, wanted a positive number")
        if not np.isfinite(self.actions[self.action_mask]).all():
            raise InputError(f"{where}: actions hold NaN or infinity, wanted finite numbers")
        words = f"{self.text}{self.episode_id}{self.source}{self.licence}{''.join(self.frames)}"
        if SURROGATE.search(words):
            raise InputError(f"{where}: text or names {ascii(words)[:80]} are no Unicode, wanted valid characters")
        if self.state is not None and not np.isfinite(self.state).all():
            raise InputError(f"{where}: state holds NaN or infinity, wanted finite numbers")
        return self


@dataclass
class Batch:
    """What a training or evaluation step sees; windows of equal length, actions normalised.

    Attributes:
        latents: normalised tokenizer output, or None when ``frames`` holds pixels.
        frames: pictures, or None when ``latents`` are given.
        actions: in [-1, 1]; ``actions[:, t]`` leads from frame t to frame t + 1. May reach further than the frames
            (a policy predicts chunks beyond the window).
        action_mask: True where the action is known.
        state: normalised to about [-1, 1]; NaN where unknown.
        reward: earned by ``actions[:, t]``; NaN where unknown.
        success: 1 where reached, 0 where not, NaN where unknown.
        embodiment: index into the model's list of embodiments.
        imitate: True for rows whose actions the policy should learn; None: all.
        past: what is shown as past frames where it is not ``latents``.
        words: of the instruction (`worldmodel.data.words`); None: there is none.
    """

    actions: Float32[Tensor, "b ta a"]
    action_mask: Bool[Tensor, "b ta"]
    embodiment: Int64[Tensor, "b"]
    latents: Float32[Tensor, "b t h w c"] | None = None
    frames: UInt8[Tensor, "b t hp wp 3"] | None = None
    state: Float32[Tensor, "b t s"] | None = None
    reward: Float32[Tensor, "b t"] | None = None
    success: Float32[Tensor, "b t"] | None = None
    imitate: Bool[Tensor, "b"] | None = None
    past: Float32[Tensor, "b t h w c"] | None = None
    words: Int64[Tensor, "b words"] | None = None


@dataclass
class EmbodimentSpec:
    """What a model must know of one body: its actions and its state.

    Attributes:
        name: such as ``"pusht"``.
        action: description of the actions.
        state_low: per state dimension, mapped to -1.
        state_high: per state dimension, mapped to +1; empty lists mean that there is no state.
        fps: rate at which it acts.
        state_points: pairs of state dimensions that are a place in the picture, as ``ActionSpec.points`` are.
    """

    name: str
    action: ActionSpec
    state_low: list[float] = field(default_factory=list)
    state_high: list[float] = field(default_factory=list)
    fps: float = 10.0
    state_points: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not 0.0 < self.fps < np.inf:
            raise InputError(f"embodiment {self.name!r} at {self.fps!r} frames per second, wanted a name and a rate")
        limits = [*self.state_low, *self.state_high]
        if len(self.state_low) != len(self.state_high) or not np.isfinite(limits).all():
            found = f"[{self.state_low}, {self.state_high}]"
            raise InputError(f"state of {self.name!r}: wanted as many finite highs as lows, found {found}")
        if any(not 0 <= index < len(self.state_low) for point in self.state_points for index in point):
            raise InputError(f"state points {self.state_points}: wanted indices below {len(self.state_low)}")

    def normalise_state(self, state: Float32[np.ndarray, "*t s"]) -> Float32[np.ndarray, "*t s"]:
        low, high = np.array(self.state_low, np.float32), np.array(self.state_high, np.float32)
        return (2.0 * (state - low) / (high - low) - 1.0).astype(np.float32)

    def denormalise_state(self, state: Float32[np.ndarray, "*t s"]) -> Float32[np.ndarray, "*t s"]:
        """Maps [-1, 1] back to the state's own units; what lies beyond is brought to the limits."""
        low, high = np.array(self.state_low, np.float32), np.array(self.state_high, np.float32)
        return (low + (np.clip(state, -1.0, 1.0) + 1.0) / 2.0 * (high - low)).astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "EmbodimentSpec":
        return EmbodimentSpec(**{**values, "action": ActionSpec.from_dict(values["action"])})


@runtime_checkable
class Policy(Protocol):
    """Anything that says what to do next in a Gymnasium environment with dict observations.

    One object controls one environment; ``reset`` is called at the start of every episode.
    """

    def reset(self, seed: int | None = None) -> None:
        """Forgets the past; ``seed`` makes what follows repeatable."""
        ...

    def act(self, observation: Mapping[str, Any]) -> Float32[np.ndarray, "a"]:
        """Returns the next action, in the environment's own units."""
        ...


@runtime_checkable
class EpisodeSource(Protocol):
    """A dataset: episodes by index, read lazily, in a fixed order."""

    path: str
    embodiments: Sequence[EmbodimentSpec]

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Episode: ...
