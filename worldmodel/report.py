"""Writes what an evaluation found: metrics.json, one page that needs nothing else, and films and strips as files."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from worldmodel import plots
from worldmodel.dream_samples import DreamSample, DreamSamples
from worldmodel.output import make_folder, whole_file, write_json
from worldmodel.panels import Film, dream_film, enlarge, enlargement, films_beside, strip, with_context
from worldmodel.report_table import lookup, measures_table
from worldmodel.video_io import webp_bytes, write_mp4, write_png

STRIP_COLUMNS = 6
MAX_EPISODE_FRAMES = 100  # of a policy's film on the page; the mp4 holds all

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem;
       background: light-dark(#fff, #16171a); color: light-dark(#1b1c1f, #e6e7ea); }
h1 { font-size: 1.5rem; margin: .5rem 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p, figcaption, small { color: light-dark(#55575d, #a5a8b0); }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .45rem .6rem .45rem 0; border-bottom: 1px solid #8884; }
td.value { font-weight: 600; white-space: nowrap; font-variant-numeric: tabular-nums; }
td small { display: block; font-weight: 400; white-space: normal; } code { font-size: .9em; overflow-wrap: anywhere; }
figure { margin: 0 0 1rem; } img { max-width: 100%; height: auto; border-radius: 4px; }
.films img { image-rendering: pixelated; }
svg { max-width: 100%; height: auto; } svg text { font-family: inherit !important; }
.films { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 12rem), 1fr)); gap: .8rem; }
.wide { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 0 1.2rem; }
"""


def write_report(
    output: str | Path,
    metrics: Mapping[str, Any],
    *,
    title: str = "World model report",
    dream: DreamSamples | None = None,
    episodes: Sequence[Film] = (),
) -> Path:
    """Writes ``metrics.json``, ``report.html``, and per window and episode an mp4, per window also a PNG strip.

    Args:
        output: folder, made if absent.
        metrics: nested measures; groups that are not there are left out of the page.
        title: headline.
        dream: windows and actions to show, from `worldmodel.evaluate.evaluate_dream`.
        episodes: films of a policy.

    Returns:
        The path of the page.

    Raises:
        InputError: the folder cannot be written to.
    """
    folder = make_folder(output)
    write_json(folder / "metrics.json", metrics)
    parts = [_headline(title, metrics), measures_table(metrics)]
    if horizon := lookup(metrics, "frames.by_horizon.changed_psnr_db"):
        parts.append(_horizon(metrics, horizon))
    if dream is not None:
        parts.append(_windows(folder, dream.windows))
        if dream.action_names:
            parts.append(_actions(dream))
    if scores := lookup(metrics, "policy.scores"):
        parts.append(_scores(metrics, scores))
    if episodes:
        parts.append(_episodes(folder, episodes))
    return write_page(folder, title, parts)


def write_page(folder: Path, title: str, parts: Sequence[str]) -> Path:
    """Writes pieces of HTML as ``report.html`` and returns its path."""
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )
    with whole_file(folder / "report.html") as part:
        part.write_text(page, encoding="utf-8")
    return folder / "report.html"


def _headline(title: str, metrics: Mapping[str, Any]) -> str:
    facts = []
    if data := lookup(metrics, "data"):
        seen = "see only actions" if "control" in metrics else "see nothing, no action either"
        facts.append(
            f"Dreams: {data['windows']} windows from {data['episodes']} episodes of {data['name']}, "
            f"{data['context_frames']} real frames each, "
            f"then {data['horizon']} dreamed ones that {seen} (open loop)."
        )
    if policy := lookup(metrics, "policy"):
        facts.append(f"Policy: {policy['episodes']} episodes, seeds from {policy['seed0']}.")
    return f"<h1>{escape(title)}</h1><p>{escape(' '.join(facts))}</p>"


def _horizon(metrics: Mapping[str, Any], dreamed: Sequence[float | None]) -> str:
    series = {
        "dream": dreamed,
        "copy last frame": lookup(metrics, "frames.copy_last.by_horizon.changed_psnr_db"),
        "ceiling (tokenizer)": lookup(metrics, "frames.ceiling.by_horizon.changed_psnr_db"),
    }
    known = {name: values for name, values in series.items() if values}
    plot = plots.lines(known, x_label="dreamed frame", y_label="PSNR of changed pixels, dB")
    return f"<h2>How far the dream holds</h2><figure>{plot}</figure>"


def _windows(folder: Path, windows: Sequence[DreamSample]) -> str:
    figures = [_window(folder, number, window) for number, window in enumerate(windows)]
    note = "Spread evenly over the windows that were measured, not picked. The first frames are real on both sides."
    return f"<h2>Dreams beside the truth</h2><p>{note}</p><div class=wide>{''.join(figures)}</div>"


def _window(folder: Path, number: int, window: DreamSample) -> str:
    film = dream_film(window.real, window.dreamed, title=window.label)
    write_mp4(folder / f"dream_{number}.mp4", film, window.fps)
    context = len(window.real) - len(window.dreamed)
    steps = np.linspace(0, len(window.dreamed) - 1, min(STRIP_COLUMNS, len(window.dreamed))).astype(int).tolist()
    rows = [("real", window.real[context:]), ("dream", window.dreamed)]
    columns = [("real", window.real)]
    if window.shuffled is not None:
        rows.append(("other actions", window.shuffled))
        columns.append(("other actions", with_context(window.real, window.shuffled)))
    if window.joint is not None:
        rows.append(("own actions", window.joint))
        columns.append(("own actions", with_context(window.real, window.joint)))
    write_png(folder / f"dream_{number}.png", strip(rows, steps, factor=max(1, 128 // window.real.shape[2])))
    if len(columns) == 1:
        return f"<figure>{_image(film, window.fps, window.label)}</figure>"
    alternatives = films_beside(columns, title=window.label, context=context)
    summary = "the same start with another episode's actions, and with actions that the model makes up"
    return (
        f"<figure>{_image(film, window.fps, window.label)}<details><summary><small>{summary}</small></summary>"
        f"{_image(alternatives, window.fps, window.label)}</details></figure>"
    )


def _actions(dream: DreamSamples) -> str:
    read = plots.scatter(
        dream.recorded, dream.inferred, dream.action_names, x_label="recorded action", y_label="read from real frames"
    )
    obeyed = plots.scatter(
        dream.commanded,
        dream.obeyed,
        dream.action_names,
        x_label="commanded action",
        y_label="read from dreamed frames",
    )
    return (
        "<h2>Actions read from pictures</h2><p>On the line: the pictures show exactly the motion that was recorded "
        f"(first) or commanded (second).</p><div class=wide><figure>{read}</figure><figure>{obeyed}</figure></div>"
    )


def _scores(metrics: Mapping[str, Any], scores: Sequence[float]) -> str:
    references = lookup(metrics, "policy.references") or {}
    groups = {"this model": scores} | {name: values["scores"] for name, values in references.items()}
    plot = plots.dots(groups, x_label="best reward of each episode (bar: mean)")
    return f"<h2>Policy</h2><figure>{plot}</figure>"


def _episodes(folder: Path, episodes: Sequence[Film]) -> str:
    figures = []
    for number, film in enumerate(episodes):
        large = enlarge(film.frames, enlargement(film.frames.shape[2]))
        write_mp4(folder / f"policy_{number}.mp4", large, film.fps)
        image = film_image(film, width=large.shape[2])
        figures.append(f"<figure>{image}<figcaption>{escape(film.label)}</figcaption></figure>")
    return f"<h2>Episodes of the policy</h2><div class=films>{''.join(figures)}</div>"


def film_image(film: Film, *, width: int | None = None) -> str:
    """A film as an element of the page; of a long one frames are left out, it is not sped up."""
    every = -(-len(film.frames) // MAX_EPISODE_FRAMES)
    return _image(film.frames[::every], film.fps / every, film.label, width=width)


def _image(frames: np.ndarray, fps: float, label: str, *, width: int | None = None) -> str:
    data = base64.b64encode(webp_bytes(frames, fps)).decode()
    return f'<img alt="{escape(label)}" width={width or frames.shape[2]} src="data:image/webp;base64,{data}">'
