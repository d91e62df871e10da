"""Shows a data set as tables, and as a sheet of pictures."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from worldmodel.commands.places import check_writable
from worldmodel.data.cameras import camera_frames
from worldmodel.data.duplicates import find_duplicates, motion_hash
from worldmodel.data.frames import resize_frames
from worldmodel.data.manifest import read_manifest
from worldmodel.data.open import open_dataset
from worldmodel.data.quality import Damage, read_good
from worldmodel.data.tombstones import TOMBSTONES, read_tombstones
from worldmodel.panels import beside, enlargement
from worldmodel.types import EmbodimentSpec, Episode, EpisodeSource, InputError
from worldmodel.video_io import write_png

COLUMNS = 8
WIDEST_PX = 320  # of a picture on a sheet
PAIRS = 10  # of duplicates named


def show_dataset(
    path: str,
    looked_into: int,
    contact_sheet: str | None,
    *,
    format: str | None = None,
    camera: str | None = None,
    cuts: bool = True,
    duplicates: bool = False,
) -> None:
    """Prints what a data set holds; reads only a few episodes, spread evenly, unless asked for duplicates.

    Args:
        path: file, folder or Hub id.
        looked_into: number of episodes to read.
        contact_sheet: PNG file to write with their pictures, or None.
        format: see `open_dataset`.
        camera: whose pictures are drawn and compared, see `camera_frames`.
        cuts: see `open_dataset`.
        duplicates: read all episodes and tell which repeat another.

    Raises:
        InputError: no data set, no such camera, no usable episode among those read, or a place that cannot be written.
    """
    if contact_sheet:
        check_writable(Path(contact_sheet).parent)
    source = open_dataset(path, format=format, cuts=cuts)
    if len(source) == 0:
        raise InputError(f"{path}: no episode in it, wanted at least one")
    chosen = np.unique(np.linspace(0, len(source) - 1, looked_into).round().astype(int)).tolist()
    found = {index: read_good(source, index) for index in chosen}
    damaged = [damage for damage in found.values() if isinstance(damage, Damage)]
    good = {index: episode for index, episode in found.items() if isinstance(episode, Episode)}
    if not good:
        raise InputError(f"{path}: no usable episode among {len(chosen)} ({damaged[0].detail}), wanted at least one")
    episodes = list(good.values())
    sheet = draw_sheet(list(good), episodes, camera) if contact_sheet else None
    overview = _overview(path, getattr(source, "format", ""), len(source), episodes, damaged)
    if duplicates:
        overview.add_row("duplicates", _duplicates(source, camera))
    console = Console()
    console.print(overview)
    for spec in source.embodiments:
        if len(spec.action):
            console.print(_actions(spec, [episode for episode in episodes if episode.embodiment == spec.name]))
    if contact_sheet and sheet is not None:
        write_png(Path(contact_sheet), sheet)
        console.print(f"pictures of {len(episodes)} episodes: {contact_sheet}")


def _overview(path: str, kind: str, count: int, episodes: list[Episode], damaged: list[Damage]) -> Table:
    table = Table(title=escape(path), show_header=False, title_justify="left")
    lengths = [len(episode) for episode in episodes]
    first = episodes[0]
    frames, about = round(count * float(np.mean(lengths))), "about " if count > len(episodes) else ""
    cameras = [f"{name} {frames.shape[2]}x{frames.shape[1]}" for name, frames in first.frames.items()]
    rows = {
        "format": kind,
        "episodes": f"{count} ({len(episodes) + len(damaged)} read for this table)",
        "frames per episode": f"{min(lengths)} to {max(lengths)}, mean {np.mean(lengths):.0f}, at {first.fps:g}/s",
        "in all": f"{about}{frames} frames, {frames / first.fps:.0f} s",
        "cameras": ", ".join(cameras),
        "embodiment": ", ".join(sorted({episode.embodiment for episode in episodes})),
        "actions known": f"{np.mean([episode.action_mask.mean() for episode in episodes]):.0%}",
        "state": "none" if first.state is None else f"{first.state.shape[1]} numbers",
        "reward": _rewards(episodes),
        "text": next((episode.text for episode in episodes if episode.text), "none"),
        "licence": ", ".join(_licences(path, episodes)),
        "problems": "\n".join(f"{damage.reason}: {damage.detail}" for damage in damaged) or "none",
    }
    if gone := len(read_tombstones(Path(path) / TOMBSTONES)):
        rows["deleted"] = f"{gone} episode{'s' * (gone != 1)}, on request"
    for name, value in rows.items():
        table.add_row(name, escape(value))
    return table


def _licences(path: str, episodes: list[Episode]) -> list[str]:
    """All licences of a data set with a manifest, else those of the episodes that were read."""
    told = read_manifest(Path(path))
    return sorted({episode.licence for episode in episodes} if told is None else {entry["licence"] for entry in told})


def _rewards(episodes: list[Episode]) -> str:
    best = [np.nanmax(e.reward) for e in episodes if e.reward is not None and not np.isnan(e.reward).all()]
    return f"best of an episode {min(best):.3g} to {max(best):.3g}" if best else "none"


def _actions(spec: EmbodimentSpec, episodes: list[Episode]) -> Table:
    table = Table(title=escape(f"actions of {spec.name}"), title_justify="left")
    for column in ("dimension", "kind", "legal range", "seen", "unit"):
        table.add_column(column)
    seen = np.concatenate([e.actions[e.action_mask] for e in episodes] or [np.zeros((0, len(spec.action)))])
    for index, dim in enumerate(spec.action.dims):
        values = f"{seen[:, index].min():.4g} to {seen[:, index].max():.4g}" if len(seen) else "unknown"
        limits = f"{dim.low:g} to {dim.high:g}"
        table.add_row(escape(dim.name), dim.kind, limits, values, escape(dim.unit))
    return table


def _duplicates(source: EpisodeSource, camera: str | None) -> str:
    """Reads everything and says which episodes repeat an earlier one."""
    console = Console(stderr=True)
    numbers, hashes = [], []
    for index in track(range(len(source)), "comparing", console=console, disable=not console.is_terminal):
        if isinstance(episode := read_good(source, index), Episode):
            numbers.append(index)
            hashes.append(motion_hash(camera_frames(episode, camera)))
    found = find_duplicates(hashes)
    pairs = [f"{numbers[pair.episode]} repeats {numbers[pair.original]}" for pair in found[:PAIRS]]
    more = [f"and {len(found) - PAIRS} more"] if len(found) > PAIRS else []
    return f"{len(found)}: {', '.join(pairs + more)}" if found else "none"


def draw_sheet(numbers: list[int], episodes: list[Episode], camera: str | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """Draws episodes as rows of pictures, from their first frame to their last.

    Args:
        numbers: the episodes' indices, for the labels.
        episodes: the recordings, drawn at the size of the first or smaller.
        camera: which camera is shown, see `camera_frames`.

    Raises:
        InputError: an episode has no such camera.
    """
    height, width = camera_frames(episodes[0], camera).shape[1:3]
    if width > WIDEST_PX:
        height, width = max(1, round(height * WIDEST_PX / width)), WIDEST_PX
    factor = enlargement(width, 128)
    rows = []
    for number, episode in zip(numbers, episodes, strict=True):
        frames = camera_frames(episode, camera)
        moments = np.linspace(0, len(frames) - 1, COLUMNS).round().astype(int)
        shown = resize_frames(frames[moments], height, width)
        rows.append(
            beside(
                [(f"frame {t}", frame) for t, frame in zip(moments, shown, strict=True)],
                factor=factor,
                title=f"episode {number}: {episode.episode_id}",
                note=f"{len(episode)} frames, {len(episode) / episode.fps:.1f} s",
            )
        )
    return np.concatenate(rows)
