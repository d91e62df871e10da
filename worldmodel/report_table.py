"""The table of measures: what each one means, its value, and what it must be compared with."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any


@dataclass(frozen=True)
class Measure:
    """A row of the table.

    Attributes:
        name: dotted name in metrics.json.
        meaning: one line for people who did not write it.
        unit: after the number.
        beside: (label, dotted name) of references.
        fixed: a reference that is not measured.
        digits: after the decimal point.
    """

    name: str
    meaning: str
    unit: str = ""
    beside: tuple[tuple[str, str], ...] = ()
    fixed: str = ""
    digits: int = 2


MEASURES = (
    Measure(
        "frames.changed_psnr_db",
        "How right the dreamed pictures are where something has moved since the last real frame; higher is better.",
        " dB",
        (("copy last frame", "frames.copy_last.changed_psnr_db"), ("ceiling", "frames.ceiling.changed_psnr_db")),
    ),
    Measure(
        "frames.psnr_db",
        "The same over all pixels, most of which never change.",
        " dB",
        (("copy last frame", "frames.copy_last.psnr_db"), ("ceiling", "frames.ceiling.psnr_db")),
    ),
    Measure(
        "control.shuffle_ratio",
        "How much larger the error becomes with another episode's actions: does the dream listen?",
        fixed="1.00 = ignores actions",
    ),
    Measure(
        "control.inverse_r2_dream",
        "R2 of the actions read from dreamed frames against those commanded: does the dream show the commanded motion?",
        beside=(("on real frames", "actions.inverse_r2"),),
        digits=3,
    ),
    Measure(
        "actions.inverse_r2",
        "R2 of the actions read from real frames against the recorded ones.",
        fixed="0 = always the mean",
        digits=3,
    ),
    Measure(
        "joint.consistency_r2",
        "R2 between the actions that the model makes up and those that its own frames show.",
        fixed="1 = they agree",
        digits=3,
    ),
    Measure(
        "joint.frames.changed_psnr_db",
        "Made-up futures against what happened; many futures are possible, so it need not be high.",
        " dB",
        (("copy last frame", "frames.copy_last.changed_psnr_db"),),
    ),
    Measure("joint.actions_r2", "Made-up actions against those of the recording; they need not agree.", digits=3),
    Measure(
        "screen.pointer.median_px",
        "How far the dreamed mouse pointer is from where it should be, in half of the pictures at most.",
        " px",
        (("tokenizer alone", "screen.pointer.ceiling.median_px"), ("last frame", "screen.pointer.copy_last.median_px")),
        digits=1,
    ),
    Measure(
        "screen.pointer.p95_px",
        "The same in 95 % of the pictures; a missing pointer counts as infinitely far.",
        " px",
        (("tokenizer alone", "screen.pointer.ceiling.p95_px"), ("share missing", "screen.pointer.missing")),
    ),
    Measure(
        "screen.transitions.accuracy",
        "Whether the screen answers when a button is pressed, and stands still where it should.",
        beside=(
            ("always the more frequent", "screen.transitions.majority"),
            ("tokenizer alone", "screen.transitions.ceiling"),
        ),
        digits=3,
    ),
    Measure(
        "screen.transitions.controls.accuracy",
        "The same of presses on buttons, boxes, tabs and dialogs, and of at most as many moments without a press.",
        beside=(
            ("always the more frequent", "screen.transitions.controls.majority"),
            ("tokenizer alone", "screen.transitions.controls.ceiling"),
        ),
        digits=3,
    ),
    Measure(
        "screen.events.pointer_r2",
        "R2 of the pointer's place as it is read from real frames.",
        fixed="0 = always the mean",
        digits=3,
    ),
    Measure(
        "screen.events.left.f1",
        "F1 of presses of the left button read from real frames, a tick early or late at most.",
        beside=(
            ("precision", "screen.events.left.precision"),
            ("recall", "screen.events.left.recall"),
            ("share that pictures show", "screen.events.left.shown"),
        ),
        digits=3,
    ),
    Measure(
        "screen.events.key.f1",
        "F1 of typed keys read from real frames, a tick early or late at most.",
        beside=(
            ("precision", "screen.events.key.precision"),
            ("recall", "screen.events.key.recall"),
            ("share that pictures show", "screen.events.key.shown"),
        ),
        digits=3,
    ),
    Measure(
        "policy.mean_score",
        "Mean over episodes of the best reward reached, acting in the real environment.",
        digits=3,
    ),
    Measure("policy.success_rate", "Share of episodes that reached the goal.", digits=3),
    Measure("policy.ms_per_action", "Time to choose an action, many environments at once.", " ms"),
    Measure("rollout.frames_per_s", "Dreamed frames per second, all dreams of a batch together.", digits=1),
)
INTERVALS = {"policy.mean_score": "policy.ci95", "policy.success_rate": "policy.success_ci95"}


def lookup(metrics: Mapping[str, Any], name: str) -> Any:
    """Returns the value of a dotted name, None where there is none."""
    value: Any = metrics
    for key in name.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value


def measures_table(metrics: Mapping[str, Any]) -> str:
    """Returns the table as HTML; measures whose group was not measured are left out."""
    rows = [_row(measure, metrics) for measure in MEASURES if measure.name.split(".")[0] in metrics]
    return f"<table><tr><th>measure</th><th>value</th><th>beside</th></tr>{''.join(rows)}</table>"


def _row(measure: Measure, metrics: Mapping[str, Any]) -> str:
    value = _number(lookup(metrics, measure.name), measure)
    if interval := lookup(metrics, INTERVALS.get(measure.name, "")):
        value += f"<small>95 %: {interval[0]:.{measure.digits}f} to {interval[1]:.{measure.digits}f}</small>"
    beside = [f"{label} {_number(lookup(metrics, name), measure)}" for label, name in measure.beside]
    if measure.fixed:
        beside.append(measure.fixed)
    group, _, rest = measure.name.partition(".")
    for reference, values in (lookup(metrics, f"{group}.references") or {}).items():
        beside.append(f"{escape(reference)} {_number(lookup(values, rest), measure)}")
    if measure.name == "rollout.frames_per_s":
        beside += [f"{key} {lookup(metrics, f'rollout.{key}')}" for key in ("batch", "steps", "threads")]
    return (
        f"<tr><td><code>{measure.name.replace('.', '.<wbr>')}</code><small>{escape(measure.meaning)}</small></td>"
        f"<td class=value>{value}</td><td><small>{'<br>'.join(beside)}</small></td></tr>"
    )


def _number(value: float | None, measure: Measure) -> str:
    return "n/a" if value is None else f"{value:.{measure.digits}f}{measure.unit}"
