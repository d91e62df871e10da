"""Typed text that is read off pictures."""

import shutil
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from tests.screen.button_world import HEIGHT, SCREEN, WIDTH, ButtonModel, ButtonSource
from worldmodel.data.screen import KEYS
from worldmodel.screen.measures import evaluate_screen
from worldmodel.screen.moments import choose_typing
from worldmodel.screen.pointer import draw_pointer
from worldmodel.screen.reading import check_reader, error_rate, read_text, typed_text
from worldmodel.types import InputError

KEY = SCREEN.action.names.index("key")
needs_reader = pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
FONT = {"fontFace": cv2.FONT_HERSHEY_SIMPLEX, "fontScale": 0.45, "color": (0, 0, 0), "lineType": cv2.LINE_AA}


def write(picture: np.ndarray, text: str) -> np.ndarray:
    return cv2.putText(picture.copy(), text, (4, 56), **FONT)


@needs_reader
def test_text_is_read() -> None:
    picture = write(np.full((HEIGHT, 3 * WIDTH, 3), 240, np.uint8), "worldmodel")
    assert error_rate("worldmodel", read_text(picture[40:62])) <= 0.2


@pytest.mark.parametrize(
    ("true", "told", "rate"),
    [("abcd", "abcd", 0), ("abcd", "abd", 0.25), ("abcd", "", 1), ("a", "xyz", 1), ("", "", 0)],
)
def test_errors_are_counted_by_character(true: str, told: str, rate: float) -> None:
    assert error_rate(true, told) == rate


def test_special_keys_are_no_text() -> None:
    actions = np.zeros((6, len(SCREEN.action)), np.float32)
    actions[:, KEY] = [KEYS.index(key) for key in ("a", "", "Backspace", "B", " ", "Enter")]
    assert typed_text(SCREEN.action, actions) == "aB "


class TypingSource(ButtonSource):
    """Somebody types a word, a letter a tick, which appears below the box."""

    WORDS = ("hello", "world", "model")

    def __init__(self, first: int = 8) -> None:
        super().__init__(len(self.WORDS))
        for number, word in enumerate(self.WORDS):
            episode = self.episodes[number]
            actions, frames = episode.actions[:40].copy(), []
            actions[:, 2:], actions[:, 0], actions[:, 1] = 0.0, 60.0, 8.0
            actions[first : first + len(word), KEY] = [KEYS.index(letter) for letter in word]
            for tick in range(40):
                frames.append(page(word[: max(0, tick - first)]))
            shown, state = {"screen": np.stack(frames)}, actions[:, :2]
            known = np.ones(40, bool)
            self.episodes[number] = replace(episode, actions=actions, frames=shown, state=state, action_mask=known)


def page(text: str) -> np.ndarray:
    picture = write(np.full((HEIGHT, WIDTH, 3), 240, np.uint8), text)
    draw_pointer(picture, 60, 8)
    return picture


class Writer(ButtonModel):
    """Dreams every letter but those that it cannot write."""

    def __init__(self, missing: str = "") -> None:
        super().__init__()
        self.missing = missing

    def imagine(self, context_frames: np.ndarray, actions: np.ndarray, **options: Any) -> np.ndarray:
        dreams = []
        for row in actions:
            texts = [typed_text(SCREEN.action, row[: tick + 1]) for tick in range(len(row))]
            dreams.append([page("".join(c for c in text if c not in self.missing)) for text in texts])
        return np.array(dreams)


def test_moments_of_typing_begin_with_the_first_key() -> None:
    options: dict[str, Any] = {"context": 4, "steps": 16, "frame_size": (HEIGHT, WIDTH), "embodiment": "screen"}
    moments = choose_typing(TypingSource(), count=8, **options)
    typed = [typed_text(SCREEN.action, moment.actions[3:]) for moment in moments]
    assert sorted(typed) == sorted(TypingSource.WORDS)
    assert [len(moment.frames) for moment in moments] == [20] * 3
    assert len(choose_typing(TypingSource(), count=2, **options)) == 2
    assert choose_typing(TypingSource(first=0), count=8, **options) == [], "there is no context before it"
    assert choose_typing(ButtonSource(), count=8, **options) == []


class PressingAndTyping(TypingSource):
    """So that there are presses, too."""

    def __init__(self) -> None:
        super().__init__()
        self.episodes += ButtonSource(1).episodes


@needs_reader
def test_who_leaves_letters_out_has_a_higher_error() -> None:
    options: dict[str, Any] = {"max_windows": 8, "ocr": True}
    right = evaluate_screen(Writer(), PressingAndTyping(), **options)["typed"]
    wrong = evaluate_screen(Writer(missing="lo"), PressingAndTyping(), **options)["typed"]
    assert right["count"] == wrong["count"] >= 2
    assert right["dream"] == right["truth"] == right["ceiling"] <= 0.3
    assert wrong["dream"] > right["dream"] + 0.2
    assert wrong["copy_last"] == 1.0


@pytest.mark.parametrize(
    ("missing", "told"), [("find_spec", r"pip install 'worldmodel\[ocr\]'"), ("which", "apt-get install tesseract-ocr")]
)
def test_what_is_not_installed_is_told(missing: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where = "worldmodel.screen.reading.find_spec" if missing == "find_spec" else "shutil.which"
    monkeypatch.setattr(where, lambda name: None)
    with pytest.raises(InputError, match=told):
        check_reader()
