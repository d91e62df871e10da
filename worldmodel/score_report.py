"""Writes what `worldmodel score` found: measures, a plot of dream against truth, and films of both side by side."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from worldmodel import plots
from worldmodel.output import make_folder, whole_file, write_json
from worldmodel.panels import Film, films_beside
from worldmodel.report import film_image, write_page
from worldmodel.video_io import write_mp4

MEANINGS = {
    "pearson": "correlation over policies; 1 = the dream's verdict is a straight line of the truth",
    "spearman": "correlation of ranks; 1 = the dream ranks the policies as the truth does",
    "mmrv": "mean over policies of the truth lost by the worst mistake of order (0 = none)",
    "optimism_gap": "mean in the dream less that in truth; above 0 the dream is too kind",
}


@runtime_checkable
class Played(Protocol):
    """An episode with pictures."""

    seed: int
    success: bool
    frames: list[UInt8[np.ndarray, "h w 3"]]


def pairs(true: Sequence[Played], dream: Sequence[Played], fps: float) -> list[Film]:
    """Films of episodes in truth and in the dream, side by side; who ended first waits for the other."""
    films = []
    for real, dreamed in zip(true, dream, strict=True):
        length = max(len(real.frames), len(dreamed.frames))
        columns = [(_told(side, episode), _lengthened(episode, length)) for side, episode in _sides(real, dreamed)]
        films.append(Film(f"seed {real.seed}", films_beside(columns, title=f"seed {real.seed}"), fps))
    return films


def rate(result: Mapping[str, Any]) -> str:
    """A success rate and its interval, for people."""
    low, high = result["success_ci95"]
    return f"{result['success_rate']:.2f} ({low:.2f}-{high:.2f})"


def write_score(output: str | Path, metrics: Mapping[str, Any], films: Mapping[str, Sequence[Film]]) -> Path:
    """Writes ``metrics.json``, ``report.html``, ``score.png``, and an mp4 per film.

    Args:
        output: folder, made if absent.
        metrics: with ``score`` from `policies.scoring.score_policies`.
        films: of every policy by name, from `pairs`.

    Returns:
        The path of the page.

    Raises:
        InputError: the folder cannot be written to.
    """
    folder = make_folder(output)
    write_json(folder / "metrics.json", metrics)
    score = metrics["score"]
    svg, png = plots.agreement(_points(score, "true"), _points(score, "dream"), list(score["policies"]))
    with whole_file(folder / "score.png") as part:
        part.write_bytes(png)
    title = f"Policies in {metrics['env']} and in the dream of {metrics['dream']}"
    parts = [f"<h1>{escape(title)}</h1>", _numbers(score), f"<figure>{svg}</figure>", _table(score)]
    for number, (name, shown) in enumerate(films.items()):
        parts.append(_films(folder, number, name, shown))
    return write_page(folder, title, parts)


def _points(score: Mapping[str, Any], side: str) -> list[tuple[float, float, float]]:
    """Success rate, and the ends of its interval, of every policy."""
    sides = [result[side] for result in score["policies"].values()]
    return [(found["success_rate"], *found["success_ci95"]) for found in sides]


def _numbers(score: Mapping[str, Any]) -> str:
    rows = ["<th>agreement</th><th>of success</th><th>of best rewards</th>"]
    for name, meaning in MEANINGS.items():
        values = ("n/a" if found[name] is None else f"{found[name]:.2f}" for found in (score, score["mean_score"]))
        told = f"<td><code>{name}</code><small>{meaning}</small></td>"
        rows.append(told + "".join(f"<td class=value>{value}</td>" for value in values))
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"


def _table(score: Mapping[str, Any]) -> str:
    heads = ("policy", "success in truth", "in the dream", "best reward in truth", "in the dream", "same verdict")
    rows = ["".join(f"<th>{head}</th>" for head in heads)]
    for name, result in score["policies"].items():
        told = name + (" (does again in the dream what it did in truth)" if result["again"] else "")
        means = (f"{result[side]['mean_score']:.2f}" for side in ("true", "dream"))
        cells = (escape(told), rate(result["true"]), rate(result["dream"]), *means, f"{result['same_verdict']:.0%}")
        rows.append("".join(f"<td>{cell}</td>" for cell in cells))
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"


def _films(folder: Path, number: int, name: str, films: Sequence[Film]) -> str:
    figures = []
    for index, film in enumerate(films):
        write_mp4(folder / f"policy_{number}_{index}.mp4", film.frames, film.fps)
        figures.append(f"<figure>{film_image(film)}</figure>")
    return f"<h2>{escape(name)}</h2><div class=wide>{''.join(figures)}</div>"


def _sides(real: Played, dreamed: Played) -> list[tuple[str, Played]]:
    return [("true", real), ("dream", dreamed)]


def _told(side: str, episode: Played) -> str:
    return f"{side}: {'success' if episode.success else 'no success'}"


def _lengthened(episode: Played, length: int) -> UInt8[np.ndarray, "t h w 3"]:
    frames = np.stack(episode.frames)
    return np.concatenate((frames, np.repeat(frames[-1:], length - len(frames), axis=0)))
