"""What pixels alone do not tell of a dreamed screen: where the pointer is, whether it answers, what events it shows.

Every number stands beside references: for the pointer, the tokenizer's pictures of the truth (``ceiling``) and the last
context frame (``copy_last``); for transitions, the more frequent answer and the ``ceiling``; for events, how many there
were, and the share of them that pictures show (``shown``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from rich.progress import track

from worldmodel.data.cameras import camera_frames
from worldmodel.data.frames import resize_frames
from worldmodel.evaluation_windows import Window, choose_windows
from worldmodel.label import infer_whole
from worldmodel.metrics import mean_known, r2_per_dim
from worldmodel.rollout import Dreamer
from worldmodel.screen.events import score_events
from worldmodel.screen.moments import Moment, choose_moments, choose_typing
from worldmodel.screen.pointer import find_pointer
from worldmodel.screen.reading import TypedText, check_reader, typed_text
from worldmodel.screen.traces import Traces
from worldmodel.screen.transitions import Transitions, elsewhere
from worldmodel.types import EmbodimentSpec, EpisodeSource, InputError

CONTEXT = 4


def evaluate_screen(
    model: Dreamer,
    source: EpisodeSource,
    *,
    steps: int = 16,
    max_windows: int = 128,
    batch: int = 16,
    camera: str | None = None,
    sampling_steps: int | None = None,
    ocr: bool = False,
    seed: int = 0,
    progress: bool = False,
) -> dict[str, Any]:
    """Measures dreams of screens, and the events that are read from true pictures.

    Args:
        model: the dreamer.
        source: recordings of screens; the body's first point is where the pointer is, and one dimension is ``left``.
        steps: frames to dream where the pointer is followed.
        max_windows: dreams for each of the two questions; recordings to read events from.
        batch: windows dreamed at once.
        camera: see `camera_frames`.
        sampling_steps: denoising steps per frame; the model's own number unless given.
        ocr: read typed text, too, with Tesseract.
        seed: of windows and noise.
        progress: show progress bars.

    Returns:
        ``pointer`` (``median_px``, ``p95_px`` and the share ``missing``, by horizon), ``transitions`` (`Transitions`;
        ``ceiling``: accuracy of the tokenizer's pictures of the truth), ``events`` (`score_events` with the share that
        is ``shown``, see `Traces`; and the R2 of the pointer's place); with ``ocr``, ``typed`` (`TypedText`).

    Raises:
        InputError: the model does not know the recordings' body, it has no pointer, nothing to measure on, or text
            cannot be read.
    """
    body = source.embodiments[0]
    if not is_screen(body):
        raise InputError(f"{source.path}: embodiment {body.name!r} has no pointer with a left button, wanted a screen")
    if ocr:
        check_reader()
    common: dict[str, Any] = {"frame_size": model.frame_size, "embodiment": body.name, "camera": camera, "seed": seed}
    windows = choose_windows(source, length=CONTEXT + steps, count=max_windows, **common)
    moments = choose_moments(source, context=CONTEXT, count=max_windows, **common)
    subject = _Subject(model, body, sampling_steps)
    pointer = _Pointer(subject, steps)
    for number, part in enumerate(track(list(batched(windows, batch)), "following the pointer", disable=not progress)):
        pointer.add(part, seed + number)
    presses = _Presses(subject)
    for number, part in enumerate(track(list(batched(moments, batch)), "pressing buttons", disable=not progress)):
        presses.add(part, seed + number)
    measures = {
        "pointer": pointer.summary(),
        "transitions": presses.summary(),
        "events": _events(subject, source, max_windows, camera, progress),
    }
    if ocr:
        typing = choose_typing(source, context=CONTEXT, steps=steps, count=max_windows, **common)
        typed = TypedText()
        for number, part in enumerate(track(list(batched(typing, batch)), "reading text", disable=not progress)):
            _type(subject, part, typed, seed + number)
        measures["typed"] = typed.summary()
    return measures


def is_screen(body: EmbodimentSpec) -> bool:
    """Whether somebody acts with a pointer that has a left button."""
    return bool(body.action.points) and "left" in body.action.names


@dataclass(frozen=True)
class _Subject:
    """What is measured: a model, of one of its bodies."""

    model: Dreamer
    body: EmbodimentSpec
    sampling_steps: int | None

    def imagine(
        self,
        context: UInt8[np.ndarray, "b t h w 3"],
        actions: Float[np.ndarray, "b n a"],
        texts: Sequence[str | None],
        seed: int,
    ) -> UInt8[np.ndarray, "b k h w 3"]:
        """Dreams what follows a context, of actions from its first frame on."""
        return self.model.imagine(
            context,
            actions[:, CONTEXT - 1 :],
            context_actions=actions[:, : CONTEXT - 1],
            steps=self.sampling_steps,
            seed=seed,
            embodiment=self.body.name,
            text=texts if self.model.reads_text else None,
        )

    def relive(
        self, moments: Sequence[Moment], seed: int
    ) -> tuple[UInt8[np.ndarray, "b h w 3"], list[Bool[np.ndarray, "h w"]]]:
        """Dreams moments to their ends; returns the last pictures, and where no pointer is before and after."""
        frames = np.stack([moment.frames[:CONTEXT] for moment in moments])
        actions = np.stack([moment.actions for moment in moments])
        dreamed = self.imagine(frames, actions, [moment.text for moment in moments], seed)[:, -1]
        places = self.places(actions)[:, [CONTEXT - 2, -1]].tolist()
        return dreamed, [elsewhere(self.model.frame_size, *map(tuple, pair)) for pair in places]

    def kept(self, pictures: UInt8[np.ndarray, "b h w 3"]) -> UInt8[np.ndarray, "b h w 3"]:
        """What the tokenizer keeps of pictures."""
        return self.model.decode(self.model.encode(pictures[:, None]))[:, 0]

    def places(self, actions: Float[np.ndarray, "*n a"]) -> Float[np.ndarray, "*n 2"]:
        """Columns and rows of the model's pictures into which actions put the pointer."""
        place, (height, width) = list(self.body.action.points[0]), self.model.frame_size
        low, high = self.body.action.low[place], self.body.action.high[place]
        return np.floor(np.round((actions[..., place] - low) / (high - low) * (width, height), 3))


class _Pointer:
    """How far the pointer of dreamed pictures is from where it truly is, by horizon."""

    def __init__(self, subject: _Subject, steps: int) -> None:
        self.subject, self.steps = subject, steps
        self.errors: dict[str, list[Float[np.ndarray, "b k"]]] = {"dream": [], "ceiling": [], "copy_last": []}

    def add(self, windows: Sequence[Window], seed: int) -> None:
        frames = np.stack([window.frames for window in windows])
        actions = np.stack([window.actions for window in windows])
        context, true = frames[:, :CONTEXT], frames[:, CONTEXT:]
        # The truth has a pointer in every picture, drawn where the action before it says.
        places, model = self.subject.places(actions[:, CONTEXT - 1 :]), self.subject.model
        shown = {
            "dream": self.subject.imagine(context, actions, [window.text for window in windows], seed),
            "ceiling": model.decode(model.encode(true)),
            "copy_last": np.repeat(context[:, -1:], self.steps, 1),
        }
        for name, pictures in shown.items():
            self.errors[name].append(_distances(pictures, places))

    def summary(self) -> dict[str, Any]:
        dream, *references = ((name, np.concatenate(parts)) for name, parts in self.errors.items())
        by_horizon = [_describe(column) for column in dream[1].T]
        return {
            **_describe(dream[1]),
            "by_horizon": {name: [at[name] for at in by_horizon] for name in by_horizon[0]},
            **{name: _describe(errors) for name, errors in references},
        }


def _distances(
    pictures: UInt8[np.ndarray, "b k h w 3"], places: Float[np.ndarray, "b k 2"]
) -> Float[np.ndarray, "b k"]:
    """Distance in px of the pointer that is shown from where it should be; NaN where none is shown."""
    result = np.full(places.shape[:2], np.nan)
    for index in np.ndindex(*result.shape):
        if (found := find_pointer(pictures[index])) is not None:
            result[index] = np.linalg.norm(np.array(found) - places[index])
    return result


def _describe(errors: Float[np.ndarray, "*n"]) -> dict[str, float | None]:
    """Of all distances; a pointer that is missing counts as infinitely far off for median and percentile."""
    values = np.where(np.isnan(errors), np.inf, errors)
    measures = {
        "median_px": np.percentile(values, 50, method="higher"),
        "p95_px": np.percentile(values, 95, method="higher"),
    }
    known = {name: float(value) if np.isfinite(value) else None for name, value in measures.items()}
    return {**known, "missing": float(np.isnan(errors).mean())}


class _Presses:
    """Whether dreams answer to the button as the screen does."""

    def __init__(self, subject: _Subject) -> None:
        self.subject, self.dream, self.ceiling = subject, Transitions(), Transitions()

    def add(self, moments: Sequence[Moment], seed: int) -> None:
        dreamed, free = self.subject.relive(moments, seed)
        before, after = (np.stack([moment.frames[at] for moment in moments]) for at in (CONTEXT - 1, -1))
        still, ended = self.subject.kept(before), self.subject.kept(after)
        for row, moment in enumerate(moments):
            for transitions, shown in ((self.dream, dreamed[row]), (self.ceiling, ended[row])):
                transitions.add(moment.kind, before[row], after[row], shown, still[row], free[row])

    def summary(self) -> dict[str, Any]:
        told, ceiling = self.dream.summary(), self.ceiling.summary()
        told["controls"]["ceiling"] = ceiling["controls"]["accuracy"]
        return {**told, "ceiling": ceiling["accuracy"]}


def _type(subject: _Subject, moments: Sequence[Moment], typed: TypedText, seed: int) -> None:
    dreamed, free = subject.relive(moments, seed)
    kept = subject.kept(np.stack([moment.frames[-1] for moment in moments]))
    for row, moment in enumerate(moments):
        text = typed_text(subject.body.action, moment.actions[CONTEXT - 1 :])
        before, after = moment.frames[CONTEXT - 1], moment.frames[-1]
        typed.add(text, before, after, {"dream": dreamed[row], "ceiling": kept[row], "copy_last": before}, free[row])


def _events(subject: _Subject, source: EpisodeSource, count: int, camera: str | None, progress: bool) -> dict[str, Any]:
    """Compares recorded events with those that the model reads from the pictures, over whole recordings."""
    model, body, pairs, traces = subject.model, subject.body, [], Traces()
    chosen = np.unique(np.linspace(0, len(source) - 1, min(count, len(source))).astype(int)).tolist()
    for index in track(chosen, "reading events", disable=not progress):
        episode = source[index]
        if episode.embodiment == body.name and len(episode) > 1 and episode.action_mask[:-1].all():
            frames = resize_frames(camera_frames(episode, camera), *model.frame_size)
            actions = episode.actions[:-1]
            pairs.append((actions, infer_whole(model, frames, embodiment=body.name)[0]))
            traces.add(body.action, frames, actions, subject.places(actions))
    place = list(body.action.points[0])
    true, told = (np.concatenate([pair[side][:, place] for pair in pairs]) for side in (0, 1))
    r2 = r2_per_dim(true, told)
    scores, shown = score_events(body.action, pairs), traces.summary()
    events = {name: {**score, "shown": shown[name]} for name, score in scores.items()}
    return {"pointer_r2": mean_known(r2), "pointer_r2_per_dim": r2, **events}
