"""Reads RLDS episodes as TensorFlow Datasets writes them: TFRecord files of one ``tf.train.Example`` per episode.

    feature (t of everything, end to end)           Episode
    steps/observation/NAME, JPEG or PNG             frames[NAME], or frames["pixels"] where there is one camera
    steps/observation/state                         state (without it: all short float vectors of the observation)
    steps/action, or the floats of steps/action/*   actions
    steps/is_last                                   action_mask: by RLDS's rule the last step's action means nothing
    steps/reward, steps/is_terminal (last step)     reward, terminated
    steps/language_instruction                      text

A step's action is taken after its observation, as in `types`. The format tells no picture rate and no names of action
dimensions. Depth pictures are left out.

Source: https://github.com/google-research/rlds#dataset-format
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from worldmodel.data.derived import Ranges, licence_beside, named_embodiment, sampled
from worldmodel.data.tfrecord import Record, decode_example, find_records, is_tfrecord, read_record
from worldmodel.types import ActionDim, ActionSpec, EmbodimentSpec, Episode, InputError

SHARD_NAME = re.compile(r".+\.tfrecord(-\d+-of-\d+)?")
SHARD_NUMBER = re.compile(r"(.+\.tfrecord)-(\d+)-of-(\d+)")
MOST_SHARDS = 100_000  # a larger count in a file's name is a damaged one
FPS = {"bridge_dataset": 5.0, "bridge_orig": 5.0, "fractal20220817_data": 3.0, "droid": 15.0}
OBSERVATION = "steps/observation/"
TEXTS = ("steps/language_instruction", OBSERVATION + "natural_language_instruction")
STATE_WIDTH = 64  # a longer vector of the observation is an embedding, no state

Values = Mapping[str, Sequence[bytes] | Sequence[float] | Sequence[int]]


def detect(path: Path) -> bool:
    """Tells whether a file, or any shard in a folder, begins with a TFRecord."""
    return any(is_tfrecord(file) for file in find_shards(path))


def find_shards(path: Path) -> list[Path]:
    """Returns the TFRecord files below a folder (or the file itself), in the order of their paths."""
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*.tfrecord*") if SHARD_NAME.fullmatch(file.name) and file.is_file())


def missing_shards(shards: Sequence[Path]) -> list[Path]:
    """Returns the files that would complete ``NAME-00000-of-00002`` and the like."""
    groups: dict[tuple[Path, str, int], set[int]] = {}
    for shard in shards:
        if match := SHARD_NUMBER.fullmatch(shard.name):
            groups.setdefault((shard.parent, match[1], int(match[3])), set()).add(int(match[2]))
    absent = [
        folder / f"{name}-{number:05d}-of-{count:05d}"
        for (folder, name, count), found in groups.items()
        for number in range(min(count, MOST_SHARDS))
        if number not in found
    ]
    return sorted(absent)


@dataclass(frozen=True)
class Layout:
    """What every step holds.

    Attributes:
        cameras: name in an episode -> feature.
        actions: feature -> numbers per step.
        states: feature -> numbers per step.
    """

    cameras: dict[str, str]
    actions: dict[str, int]
    states: dict[str, int]


class RldsSource:
    """Episodes of a folder of shards, read one at a time.

    A shard that the names of the others count and that is not there stands for one episode, which cannot be read.

    Args:
        path: the folder, searched with its subfolders, or one shard.
        embodiment: a name of `EMBODIMENTS`; by default one derived from the data: dimensions a0, a1, ... with ranges
            over at most `SAMPLED_EPISODES` episodes.
        fps: steps per second; by default that of a known dataset, else 10.

    Raises:
        InputError: no shard, no readable episode, an embodiment that does not fit.
    """

    format = "rlds"

    def __init__(self, path: str | Path, embodiment: str | None = None, fps: float | None = None) -> None:
        self.path = str(path)
        shards = find_shards(Path(path))
        self._records = [record for file in shards for record in find_records(file)]
        if Path(path).is_dir():
            problem = "no such file, wanted all shards that the names of the others count"
            self._records += [Record(file, 0, 0, 0, problem) for file in missing_shards(shards)]
        if not self._records:
            raise InputError(f"{path}: no TFRecord file found, wanted RLDS shards (NAME.tfrecord-00000-of-00001)")
        self._licence = licence_beside(Path(path))
        self._layout = self._first_layout()
        name = _dataset_name(Path(path))
        self.embodiments: Sequence[EmbodimentSpec] = [self._spec(name, embodiment, fps or FPS.get(name, 10.0))]

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Episode:
        if not 0 <= index < len(self):
            raise IndexError(f"{self.path}: episode {index} of {len(self)}")
        record, spec, layout = self._records[index], self.embodiments[0], self._layout
        where = _where(record)
        values = decode_example(read_record(record), where)
        steps = _steps(values, where)
        is_last = _numbers(values, {"steps/is_last": 1}, steps, where)[:, 0] > 0
        terminal = values.get("steps/is_terminal", ())
        return Episode(
            frames={name: _pictures(values, feature, steps, where) for name, feature in layout.cameras.items()},
            actions=_numbers(values, layout.actions, steps, where),
            action_mask=~is_last,
            state=_numbers(values, layout.states, steps, where) if layout.states else None,
            reward=_numbers(values, {"steps/reward": 1}, steps, where)[:, 0] if values.get("steps/reward") else None,
            terminated=bool(terminal and terminal[-1]),
            text=_text(values),
            fps=spec.fps,
            embodiment=spec.name,
            episode_id=f"{record.file.name}/{record.number:06d}",
            source=self.path,
            licence=self._licence,
        ).validate()

    def _first_layout(self) -> Layout:
        """Returns the layout of the first episode that can be read."""
        problems: list[str] = []
        for record in self._records:
            try:
                return find_layout(decode_example(read_record(record), _where(record)), _where(record))
            except InputError as error:
                problems.append(str(error))
        raise InputError(f"{self.path}: none of {len(problems)} episodes can be read; the first: {problems[0]}")

    def _spec(self, name: str, embodiment: str | None, fps: float) -> EmbodimentSpec:
        actions, states = Ranges(sum(self._layout.actions.values())), Ranges(sum(self._layout.states.values()))
        for record in (self._records[index] for index in sampled(len(self))):
            try:
                values = decode_example(read_record(record), _where(record))
                steps = _steps(values, _where(record))
                actions.add(_numbers(values, self._layout.actions, steps, _where(record)))
                states.add(_numbers(values, self._layout.states, steps, _where(record)))
            except InputError:
                continue  # told when the episode is asked for
        (low, high), (state_low, state_high) = actions.limits(), states.limits()
        if embodiment is not None:
            return named_embodiment(embodiment, self.path, len(low), len(state_low))
        dims = tuple(ActionDim(f"a{i}", "continuous", *limits) for i, limits in enumerate(zip(low, high, strict=True)))
        return EmbodimentSpec(name, ActionSpec(dims), state_low, state_high, fps)


def find_layout(values: Values, where: str) -> Layout:
    """Finds cameras, actions and state among an episode's features.

    Raises:
        InputError: there is no camera, no action, or no step.
    """
    steps = _steps(values, where)
    seen = {name: list(values[name][:1]) for name in sorted(values) if name.startswith("steps/") and len(values[name])}
    cameras = {
        name.removeprefix(OBSERVATION).replace("/", "_"): name
        for name, first in seen.items()
        if name.startswith(OBSERVATION) and isinstance(first[0], bytes) and _is_picture(first[0])
    }
    numbers = {name: len(values[name]) for name, first in seen.items() if isinstance(first[0], float)}
    floats = {name: count // steps for name, count in numbers.items() if count % steps == 0}
    actions = {name: width for name, width in floats.items() if name == "steps/action" or "steps/action/" in name}
    states = {name: width for name, width in floats.items() if name == OBSERVATION + "state"} or {
        name: width for name, width in floats.items() if name.startswith(OBSERVATION) and 0 < width <= STATE_WIDTH
    }
    if not cameras or not actions or 0 in actions.values():
        wanted = f"JPEG or PNG below {OBSERVATION} and floats in steps/action"
        raise InputError(f"{where}: {len(cameras)} cameras, actions {list(actions)}, wanted {wanted}")
    if len(cameras) == 1:
        cameras = {"pixels": next(iter(cameras.values()))}
    return Layout(cameras, actions, states)


def _where(record: Record) -> str:
    return f"{record.file}: record {record.number}"


def _dataset_name(path: Path) -> str:
    """Returns the name in the first ``dataset_info.json`` (the folder's where there is none)."""
    folder = path if path.is_dir() else path.parent
    for file in sorted(folder.rglob("dataset_info.json")):
        try:
            return str(json.loads(file.read_text())["name"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            break
    return folder.resolve().name


def _steps(values: Values, where: str) -> int:
    if not (steps := len(values.get("steps/is_first", ()))):
        raise InputError(f"{where}: no steps/is_first among {len(values)} features, wanted an RLDS episode")
    return steps


def _numbers(values: Values, widths: Mapping[str, int], steps: int, where: str) -> Float32[np.ndarray, "t n"]:
    """Returns features of ``widths`` numbers a step, side by side."""
    columns = []
    for name, width in widths.items():
        found = values.get(name, ())
        if len(found) != steps * width or isinstance(found[0], bytes):
            raise InputError(f"{where}: {name} holds {len(found)} values, wanted {steps} x {width} numbers")
        columns.append(np.array(found, np.float32).reshape(steps, width))
    return np.concatenate(columns, axis=1) if columns else np.zeros((steps, 0), np.float32)


def _is_picture(data: bytes) -> bool:
    """Tells JPEG and colour PNG from other bytes; a PNG's bytes 24 and 25 are bit depth (16: depth) and colour type."""
    return data.startswith(b"\xff\xd8\xff") or (data.startswith(b"\x89PNG\r\n\x1a\n") and data[24:25] == b"\x08")


def _pictures(values: Values, feature: str, steps: int, where: str) -> UInt8[np.ndarray, "t h w 3"]:
    coded = values.get(feature, ())
    if len(coded) != steps:
        raise InputError(f"{where}: {feature} holds {len(coded)} pictures, wanted {steps}")
    frames: list[np.ndarray] = []
    for data in coded:
        buffer = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else np.zeros(0, np.uint8)
        try:
            picture = cv2.imdecode(buffer, cv2.IMREAD_COLOR_RGB) if len(buffer) else None
        except cv2.error:  # a size beyond all measure
            picture = None
        if picture is None or (frames and picture.shape != frames[0].shape):
            found = "nothing" if picture is None else f"a picture of {picture.shape[:2]} px"
            raise InputError(f"{where}: {feature} of step {len(frames)} shows {found}, wanted JPEG or PNG of one size")
        frames.append(picture)
    return np.stack(frames)


def _text(values: Values) -> str | None:
    for name in TEXTS:
        first = next(iter(values.get(name, ())), b"")
        if isinstance(first, bytes) and first:
            return first.decode(errors="replace")
    return None
