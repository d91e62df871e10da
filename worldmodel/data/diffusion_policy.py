"""Reads the HDF5 layout of Diffusion Policy's replay buffers: all episodes end to end in one file.

``data/img`` (n h w 3) uint8, ``data/action`` (n a), ``data/state`` (n s), optionally ``data/reward`` (n,), and
``meta/episode_ends``, the row after each episode's last one. The human Push-T demonstrations come this way.

Source: Chi et al. 2023, Diffusion Policy, https://github.com/real-stanford/diffusion_policy (``ReplayBuffer``).
"""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from worldmodel.data.demonstrations import get_dataset, opened
from worldmodel.data.embodiments import EMBODIMENTS
from worldmodel.types import EmbodimentSpec, Episode, InputError

REQUIRED = ("data/img", "data/action", "data/state", "meta/episode_ends")
AXES = {"img": 4, "action": 2, "state": 2}  # of data/img and so on; rows come first
PUSHT_DIMS = (2, 5)  # action x y; state pusher x y, block x y, angle


class DiffusionPolicySource:
    """Episodes of one HDF5 file; pictures are read when an episode is asked for.

    Push-T's rows hold the simulator's whole state; an episode keeps its leading columns, those that the embodiment's
    ``state`` names (the pusher's position), because a policy cannot see the rest.

    Args:
        path: the file.
        embodiment: a name of `EMBODIMENTS`; by default Push-T, where the shapes fit.

    Raises:
        InputError: missing, truncated or other file, shapes that disagree, unknown embodiment.
    """

    format = "diffusion_policy"

    def __init__(self, path: str | Path, embodiment: str | None = None) -> None:
        self.path = str(path)
        with opened(Path(path)) as file:
            missing = [name for name in REQUIRED if not isinstance(file.get(name), h5py.Dataset)]
            if missing:
                raise InputError(f"{path}: HDF5 without {', '.join(missing)}, wanted {', '.join(REQUIRED)}")
            ends = self._read(file, "meta/episode_ends", slice(None))
            if ends.ndim != 1 or ends.dtype.kind not in "iu":
                raise InputError(f"{path}: meta/episode_ends is {ends.dtype} {ends.shape}, wanted integers (n,)")
            ends = ends.astype(int)
            shapes = {name: get_dataset(file, f"data/{name}", self.path).shape for name in AXES}
            self._licence = _licence(str(file.attrs.get("source", "")))
            self._has_reward = "data/reward" in file
        if any(len(shape) != AXES[name] for name, shape in shapes.items()):
            raise InputError(f"{path}: shapes {shapes}, wanted img (n, h, w, 3), action (n, a), state (n, s)")
        rows = {name: shape[0] for name, shape in shapes.items()}
        if len(ends) == 0 or np.any(np.diff(ends, prepend=0) <= 0) or set(rows.values()) != {int(ends[-1])}:
            raise InputError(f"{path}: rows {rows}, last episode end {ends[-1:].tolist()}, wanted them to rise to it")
        self._ends = ends
        self.embodiments: Sequence[EmbodimentSpec] = [self._spec(embodiment, shapes["action"][-1], shapes["state"][-1])]

    def _spec(self, name: str | None, action_dims: int, state_dims: int) -> EmbodimentSpec:
        if name is None and (action_dims, state_dims) != PUSHT_DIMS:
            found = f"{action_dims} actions, {state_dims} state numbers"
            raise InputError(f"{self.path}: {found}, wanted Push-T's {PUSHT_DIMS} or a named embodiment")
        if (spec := EMBODIMENTS.get(name or "pusht")) is None:
            raise InputError(f"embodiment {name!r} is unknown, wanted one of: {', '.join(EMBODIMENTS)}")
        if len(spec.action) != action_dims or len(spec.state_low) > state_dims:
            raise InputError(
                f"{self.path}: {action_dims} actions, {state_dims} state numbers,"
                f" wanted {len(spec.action)} and at least {len(spec.state_low)} for {spec.name}"
            )
        return spec

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> Episode:
        if not 0 <= index < len(self):
            raise IndexError(f"{self.path}: episode {index} of {len(self)}")
        spec = self.embodiments[0]
        rows = slice(int(self._ends[index - 1]) if index else 0, int(self._ends[index]))
        with opened(Path(self.path)) as file:
            frames = self._read(file, "data/img", rows)
            if frames.dtype != np.uint8 or frames.shape[-1] != 3:
                raise InputError(f"{self.path}: data/img is {frames.dtype} {frames.shape}, wanted uint8 (n, h, w, 3)")
            actions = self._read_numbers(file, "data/action", rows)
            state = self._read_numbers(file, "data/state", rows)[:, : len(spec.state_low)]
            reward = self._read_numbers(file, "data/reward", rows) if self._has_reward else None
            if reward is not None and reward.shape != (len(actions),):
                raise InputError(f"{self.path}: data/reward is {reward.shape} in episode {index}, wanted one per row")
        return Episode(
            frames={"pixels": frames},
            actions=actions,
            action_mask=np.ones(len(actions), bool),
            state=state if state.shape[1] else None,
            reward=reward,
            fps=spec.fps,
            embodiment=spec.name,
            episode_id=f"{index:06d}",
            source=self.path,
            licence=self._licence,
        ).validate()

    def _read(self, file: h5py.File, name: str, rows: slice) -> np.ndarray:
        return np.asarray(get_dataset(file, name, self.path)[rows])

    def _read_numbers(self, file: h5py.File, name: str, rows: slice) -> np.ndarray:
        values = self._read(file, name, rows)
        if values.dtype.kind not in "fiub":
            raise InputError(f"{self.path}: {name} is {values.dtype} {values.shape}, wanted numbers")
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinity, which is refused
            return values.astype(np.float32)


def _licence(source: str) -> str:
    """Reads the licence from the file's ``source`` note, which ends in it (``"...; MIT"``)."""
    return source.rsplit(";", 1)[1].strip() if ";" in source else "unknown"
