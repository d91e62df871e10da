"""How many training windows a second come from video files and from caches, beside other loaders; and in what memory.

    python benchmarks/loader.py --output outputs/loader.json

One run, the same episodes and windows for all: a synthetic LeRobot v3 dataset is written to a temporary folder, and
everyone gives batches of 64 windows of 16 frames of 96 px, with actions and state, in a single process. The loaders
take turns, an epoch each, and ratios are medians over the turns, so that a drifting machine speed falls on all.
LeRobotDataset decodes every window from video, with torchcodec and with pyav. The readers of stable-worldmodel (an
optional package, ``uv sync --group benchmark``) read raw pictures (HDF5) and JPEG (Lance); their counterpart is our
cache of raw pictures.

Memory is the peak of a fresh process that iterates over a dataset, and over one with ten times as many episodes.
"""

import argparse
import importlib.util
import itertools
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader, Dataset, Subset

from worldmodel.data.cache import Recordings, encode_recordings, load_recordings
from worldmodel.data.embodiments import PUSHT
from worldmodel.data.lerobot import LeRobotSource
from worldmodel.data.lerobot_writer import LeRobotWriter
from worldmodel.data.video import VideoSource
from worldmodel.data.video_windows import VideoWindows, usable_lengths
from worldmodel.data.windows import Stream, WindowSampler, WindowShape
from worldmodel.models.tokenizer import Tokenizer, TokenizerConfig
from worldmodel.output import make_folder, write_json
from worldmodel.types import Episode, EpisodeSource

SIDE, WINDOW, BATCH, FPS = 96, 16, 64, 10.0
SHAPE = WindowShape(WINDOW, 1, 2, 2, {PUSHT.name: 0})
SMALL = TokenizerConfig(width=8, stem_width=8, blocks=1)  # as many latents as any, sooner
Batches = Iterator[object]


def make_episode(index: int, frames: int) -> Episode:
    """Coloured balls that drift over a shaded ground; the state is where the first one is, the action where it goes."""
    rng = np.random.default_rng(index)
    places, speeds = rng.uniform(0, SIDE, (6, 2)), rng.uniform(-3, 3, (6, 2))
    colours = rng.integers(60, 255, (6, 3)).tolist()
    ground = np.add.outer(np.linspace(40, 200, SIDE), np.linspace(0, 50, SIDE)).astype(np.uint8)
    track, pictures = [], np.repeat(ground[None, :, :, None], frames, 0).repeat(3, 3)
    for t in range(frames + 1):
        now = np.abs((places + t * speeds + SIDE) % (2 * SIDE) - SIDE)
        track.append(now[0] * 512 / SIDE)
        for place, colour in zip(now if t < frames else (), colours, strict=False):
            cv2.circle(pictures[t], place.astype(int).tolist(), 9, colour, -1, cv2.LINE_AA)
    along = np.array(track, np.float32)
    return Episode(
        frames={"pixels": pictures},
        actions=along[1:],
        action_mask=np.ones(frames, bool),
        fps=FPS,
        embodiment=PUSHT.name,
        episode_id=str(index),
        source="made up",
        licence="CC0-1.0",
        state=along[:-1],
    )


def write_dataset(folder: Path, episodes: int, frames: int) -> LeRobotSource:
    """A LeRobot v3 dataset of H.264 video."""
    writer = LeRobotWriter(folder, FPS, PUSHT, SIDE, SIDE)
    for index in range(episodes):
        writer.add(make_episode(index, frames))
    writer.close()
    return LeRobotSource(folder)


def cached(source: EpisodeSource, folder: Path) -> Recordings:
    """Frames and latents of a dataset."""
    recordings = load_recordings("bench", source, folder, SIDE, SIDE)
    torch.manual_seed(0)
    encode_recordings(recordings, Tokenizer(SMALL).eval(), folder)
    return recordings


def from_cache(recordings: Recordings, *, frames: bool, latents: bool) -> Batches:
    """Batches as a training run gets them."""
    sampler = WindowSampler(
        [recordings],
        [np.arange(recordings.episodes)],
        window=WINDOW,
        chunk=SHAPE.chunk,
        action_size=SHAPE.action_size,
        state_size=SHAPE.state_size,
        bodies=SHAPE.bodies,
        frames=frames,
        latents=latents,
    )
    return iter(DataLoader(Stream(sampler, 0, BATCH), batch_size=None))


def from_video(source: EpisodeSource) -> Batches:
    """Batches decoded as they are needed."""
    lengths = usable_lengths(source)
    return iter(DataLoader(VideoWindows(source, lengths, SHAPE, SIDE, SIDE, seed=0, size=BATCH), batch_size=None))


def shuffled(dataset: Any, windows: np.ndarray) -> Batches:
    """Epoch after epoch of another library's dataset."""
    for epoch in itertools.count():
        order = np.random.default_rng(epoch).permutation(windows).tolist()
        yield from DataLoader(Subset(dataset, order), batch_size=BATCH, drop_last=True)


def from_lerobot(folder: Path, starts: np.ndarray, backend: str) -> Batches:
    """LeRobotDataset, which decodes each window by itself."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    times = [t / FPS for t in range(WINDOW)]
    keys = ("observation.image", "observation.state", "action")
    dataset: Dataset = LeRobotDataset(
        "local/bench", root=folder, delta_timestamps=dict.fromkeys(keys, times), video_backend=backend
    )
    return shuffled(dataset, starts)


def from_stable_worldmodel(source: LeRobotSource, folder: Path, format: str) -> Batches:
    """stable-worldmodel's reader of a format, of a file that its writer made."""
    from stable_worldmodel.data.format import get_format  # pyright: ignore[reportMissingImports]

    path = folder / f"swm.{'h5' if format == 'hdf5' else 'lance'}"
    with get_format(format).open_writer(path) as writer:
        for index in range(len(source)):
            episode = source[index]
            columns = {"pixels": episode.frames["pixels"], "action": episode.actions, "proprio": episode.state}
            writer.write_episode({key: list(values) for key, values in columns.items() if values is not None})
    dataset = get_format(format).open_reader(path, num_steps=WINDOW)
    return shuffled(dataset, np.arange(len(dataset)))


def contenders(source: LeRobotSource, folder: Path) -> dict[str, Batches | str]:
    """Everyone's batches by name, or why there are none."""
    recordings = cached(source, folder / "cache")
    starts = np.concatenate([np.arange(a, b - WINDOW + 1) for a, b in itertools.pairwise(recordings.starts)])
    found: dict[str, Batches | str] = {
        "video": from_video(source),
        "latents": from_cache(recordings, frames=False, latents=True),
        "frames": from_cache(recordings, frames=True, latents=False),
    }
    makers: dict[str, Callable[[], Batches]] = {
        f"lerobot_{backend}": lambda backend=backend: from_lerobot(Path(source.path), starts, backend)
        for backend in ("torchcodec", "pyav")
    }
    for format in ("hdf5", "lance"):
        if importlib.util.find_spec("stable_worldmodel") is None:
            found[f"stable_worldmodel_{format}"] = "not installed"
        else:
            makers[f"stable_worldmodel_{format}"] = lambda format=format: from_stable_worldmodel(source, folder, format)
    for name, make in makers.items():
        try:
            batches = make()
            next(batches)  # opens files and decoders
            found[name] = batches
        except (ImportError, RuntimeError, OSError) as error:
            found[name] = f"cannot run: {str(error).strip().splitlines()[0].split('. ')[0]}"
    return found


def windows_per_s(batches: Batches, count: int) -> float:
    """Windows a second over so many batches."""
    begin = time.perf_counter()
    for _ in range(count):
        next(batches)
    return count * BATCH / (time.perf_counter() - begin)


def measure_speed(folder: Path, episodes: int, frames: int, repeats: int) -> dict[str, Any]:
    """Medians, and ratios of paired runs."""
    found = contenders(write_dataset(folder / "dataset", episodes, frames), folder)
    running = {name: batches for name, batches in found.items() if not isinstance(batches, str)}
    count = episodes * (frames - WINDOW + 1) // BATCH
    rows = [{name: windows_per_s(batches, count) for name, batches in running.items()} for _ in range(repeats)]
    speed = {name: statistics.median(row[name] for row in rows) for name in running}
    ours, peers = ("video", "latents", "frames"), [name for name in found if "_" in name]
    return {
        "ours": {f"{name}_windows_per_s": speed[name] for name in ours},
        "peers": {
            name: {"windows_per_s": speed[name]} if name in speed else {"missing": found[name]} for name in peers
        },
        "ratio": {
            peer: {name: statistics.median(row[name] / row[peer] for row in rows) for name in ours}
            for peer in peers
            if peer in speed
        },
    }


def iterate(kind: str, folder: Path, cache: Path) -> None:
    """Goes once through a dataset and prints the peak memory of this process in MiB."""
    source = VideoSource(folder, PUSHT.name)
    recordings = cached(source, cache)
    count = int(np.maximum(np.diff(recordings.starts) - WINDOW + 1, 0).sum()) // BATCH
    batches = from_video(source) if kind == "video" else from_cache(recordings, frames=True, latents=True)
    for _ in range(count):
        next(batches)
    status = Path("/proc/self/status").read_text()  # getrusage would count what the parent held before
    print(int(status.split("VmHWM:")[1].split()[0]) / 1024)


def measure_memory(folder: Path) -> dict[str, float]:
    """Peak memory in MiB with the clips of the dataset, and with ten copies of each."""
    clips, result = sorted((folder / "dataset/videos").rglob("*.mp4")), {}
    for times in (1, 10):
        place, cache = folder / f"clips_{times}", folder / f"clips_cache_{times}"
        for copy, (number, clip) in itertools.product(range(times), enumerate(clips)):
            place.mkdir(exist_ok=True)
            shutil.copy(clip, place / f"{number:04d}_{copy}.mp4")
        cached(VideoSource(place, PUSHT.name), cache)
        for kind in ("cache", "video"):
            command = [sys.executable, __file__, "--iterate", kind, str(place), str(cache)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            result[f"{kind}_peak_mib_{times}x"] = float(done.stdout.split()[-1])
    for kind in ("cache", "video"):
        result[f"{kind}_growth"] = result[f"{kind}_peak_mib_10x"] / result[f"{kind}_peak_mib_1x"] - 1
    return result


def show(result: dict[str, Any]) -> None:
    """Prints everything as tables."""
    table = Table("loader", "windows/s", "video", "latents", "frames", title="right: how many times faster ours are")
    for name, value in result["ours"].items():
        if name.endswith("windows_per_s"):
            table.add_row(f"ours, {name.removesuffix('_windows_per_s')}", f"{value:.0f}")
    for name, value in result["peers"].items():
        ratios = result["ratio"].get(name, {})
        speed = value.get("missing") or f"{value['windows_per_s']:.0f}"
        table.add_row(name, speed, *(f"{ratios[kind]:.2f}" for kind in ("video", "latents", "frames") if ratios))
    memory = Table("memory", "value")
    for name, value in result["ours"]["memory"].items():
        memory.add_row(name, f"{value:.1%}" if name.endswith("growth") else f"{value:.0f}")
    Console().print(table, memory)


def main() -> None:
    """Prints tables and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=16)
    parser.add_argument("--frames", type=int, default=100, help="per episode")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output")
    parser.add_argument("--iterate", nargs=3, metavar=("KIND", "CLIPS", "CACHE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.iterate:
        iterate(args.iterate[0], Path(args.iterate[1]), Path(args.iterate[2]))
        return
    if args.episodes * (args.frames - WINDOW + 1) < BATCH:
        parser.error(f"found fewer than {BATCH} windows, wanted more episodes or frames")
    with tempfile.TemporaryDirectory() as folder:
        result = measure_speed(Path(folder), args.episodes, args.frames, args.repeats)
        result["ours"]["memory"] = measure_memory(Path(folder))
    show(result)
    if args.output:
        output = Path(args.output)
        write_json(make_folder(output.parent) / output.name, result)


if __name__ == "__main__":
    main()
