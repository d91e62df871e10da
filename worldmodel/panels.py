"""Puts pictures beside each other for people: enlarged without smoothing, labelled, with their difference."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

DIFFERENCE_GAIN = 2
MARGIN_PX = 6
PAPER, INK, FAINT = (24, 25, 28), (238, 238, 238), (150, 152, 160)

Picture = UInt8[np.ndarray, "_ _ 3"]


@dataclass
class Film:
    """A film for people to look at.

    Attributes:
        label: what it shows.
        frames: pictures.
        fps: frames per second.
    """

    label: str
    frames: UInt8[np.ndarray, "t h w 3"]
    fps: float


def enlarge(frames: UInt8[np.ndarray, "*t h w 3"], factor: int) -> UInt8[np.ndarray, "*t hf wf 3"]:
    """Repeats every pixel ``factor`` times both ways."""
    return frames.repeat(factor, axis=-3).repeat(factor, axis=-2)


def enlargement(frame_width: int, target_px: int = 192) -> int:
    """Whole factor that brings a frame's width near ``target_px``."""
    return max(1, round(target_px / frame_width))


def difference(
    one: UInt8[np.ndarray, "*t h w 3"], other: UInt8[np.ndarray, "*t h w 3"]
) -> UInt8[np.ndarray, "*t h w 3"]:
    """Absolute difference, brightened `DIFFERENCE_GAIN` times; black where they agree."""
    apart = np.abs(one.astype(np.int16) - other.astype(np.int16)) * DIFFERENCE_GAIN
    return np.minimum(apart, 255).astype(np.uint8)


def beside(columns: Sequence[tuple[str, Picture]], *, title: str = "", note: str = "", factor: int = 1) -> Picture:
    """Places pictures of one size in a row.

    Args:
        columns: label and picture of every column.
        title: first line, left.
        note: first line, right.
        factor: enlargement of the pictures, not of the text.
    """
    height, width = columns[0][1].shape[0] * factor, columns[0][1].shape[1] * factor
    size_px = max(11, width // 13)
    line_px = size_px + 6
    header_px = MARGIN_PX + line_px * (2 if title or note else 1)
    sheet_size = (MARGIN_PX + (width + MARGIN_PX) * len(columns), header_px + height + MARGIN_PX)
    sheet = Image.new("RGB", sheet_size, PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN_PX, MARGIN_PX - 2), title, fill=INK, font=_font(size_px))
    draw.text((sheet_size[0] - MARGIN_PX, MARGIN_PX - 2), note, fill=FAINT, font=_font(size_px), anchor="ra")
    for index, (label, picture) in enumerate(columns):
        left = MARGIN_PX + index * (width + MARGIN_PX)
        draw.text((left, header_px - line_px), label, fill=INK, font=_font(size_px))
        sheet.paste(Image.fromarray(enlarge(picture, factor)), (left, header_px))
    return np.asarray(sheet)


def dream_film(
    real: UInt8[np.ndarray, "t h w 3"], dreamed: UInt8[np.ndarray, "k h w 3"], *, title: str = ""
) -> UInt8[np.ndarray, "t height width 3"]:
    """Draws real, dream and difference for every frame; before the dream begins both show the real context.

    Args:
        real: context and true future.
        dreamed: the last k of these t frames, dreamed.
        title: above the pictures.
    """
    whole = with_context(real, dreamed)
    columns = (("real", real), ("dream", whole), (f"difference x{DIFFERENCE_GAIN}", difference(real, whole)))
    return films_beside(columns, title=title, context=len(real) - len(dreamed))


def with_context(
    real: UInt8[np.ndarray, "t h w 3"], dreamed: UInt8[np.ndarray, "k h w 3"]
) -> UInt8[np.ndarray, "t h w 3"]:
    """Puts the real context before a dream of the last k frames."""
    return np.concatenate((real[: len(real) - len(dreamed)], dreamed))


def films_beside(
    columns: Sequence[tuple[str, UInt8[np.ndarray, "t h w 3"]]], *, title: str = "", context: int = 0
) -> UInt8[np.ndarray, "t height width 3"]:
    """Draws films of one length beside each other; says of every frame which step of the dream it is.

    Args:
        columns: label and film of every column.
        title: above the pictures.
        context: so many first frames are real in every column.
    """
    count = len(columns[0][1])
    factor = enlargement(columns[0][1].shape[2])
    sheets = []
    for index in range(count):
        note = f"step {index - context + 1}/{count - context}" if index >= context else "real context"
        row = [(label, frames[index]) for label, frames in columns]
        sheets.append(beside(row, title=title, note=note, factor=factor))
    return np.stack(sheets)


def strip(
    rows: Sequence[tuple[str, UInt8[np.ndarray, "k h w 3"]]], steps: Sequence[int], *, factor: int = 2
) -> UInt8[np.ndarray, "height width 3"]:
    """Draws chosen frames of several films as rows, with the step's number above and the film's name at the left."""
    frame_h, frame_w = rows[0][1].shape[1] * factor, rows[0][1].shape[2] * factor
    size_px, gap = max(11, frame_w // 9), 3
    left = round(max(_font(size_px).getlength(label) for label, _ in rows)) + 3 * gap
    top = size_px + 8
    sheet = Image.new("RGB", (left + len(steps) * (frame_w + gap), top + len(rows) * (frame_h + gap)), PAPER)
    draw = ImageDraw.Draw(sheet)
    for column, step in enumerate(steps):
        x = left + column * (frame_w + gap)
        draw.text((x + frame_w // 2, 3), f"step {step + 1}", fill=FAINT, font=_font(size_px), anchor="ma")
        for row, (_, frames) in enumerate(rows):
            sheet.paste(Image.fromarray(enlarge(frames[step], factor)), (x, top + row * (frame_h + gap)))
    for row, (label, _) in enumerate(rows):
        draw.text((gap, top + row * (frame_h + gap) + frame_h // 2), label, fill=INK, font=_font(size_px), anchor="lm")
    return np.asarray(sheet)


@cache
def _font(size_px: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size_px)
