"""Writes what happened, in the order of time, into the two files of a recording."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from Xlib import X

from envs.screen.clock import MS, NS
from envs.screen.events import EventFile
from envs.screen.keyboard import Keyboard
from envs.screen.listener import Event
from envs.screen.pictures import Picture, Region
from envs.screen.rects import blank
from envs.screen.redaction import Redaction, Verdict
from envs.screen.video import VideoFile
from envs.screen.windows import Front

MASKS = {"left": X.Button1Mask, "middle": X.Button2Mask, "right": X.Button3Mask}
STATES_NS = NS  # the state of keyboard, mouse and window is told as often


class RecordingWriter:
    """The files of a recording.

    Args:
        output: their path, without suffix.
        codec: of the video.
        fps: of the video.
        redaction: judges every key and picture.
        region: of the screen, that the pictures show.
        start_ns: when the recording begins.

    Attributes:
        frames: how many pictures were written.
        events: how many events of keyboard and mouse were written.
        paused: nothing is written now.
        redacted: something is kept back now.
    """

    def __init__(self, output: Path, codec: str, fps: int, redaction: Redaction, region: Region, start_ns: int) -> None:
        self._redaction, self._region, self._start_ns = redaction, region, start_ns
        self._uri = f"{output.name}.mkv"
        self._video = VideoFile(output.with_name(self._uri), codec, region.width, region.height, fps)
        self._file = EventFile(output.with_name(f"{output.name}.mcap"))
        self.frames = self.events = 0
        self.paused = False
        self._keyboard = Keyboard([], False)
        self._mouse: dict[str, Any] = {}
        self._buttons: set[str] = set()
        self._front: Front | None = None
        self._verdict = Verdict()
        self._states_ns = start_ns
        self._video_ns: int | None = None
        self._time_ms = -1
        self._screen: tuple[int, dict[str, Any]] | None = None  # of the picture that is not yet in the file

    @property
    def redacted(self) -> bool:
        return self._verdict != Verdict()

    def begin(self, pointer: Any, held: Sequence[int]) -> None:
        """Writes the state at the start: X's answer of where the pointer is, and codes of keys that are down."""
        self._mouse = {"x": pointer.root_x, "y": pointer.root_y}
        self._buttons = {name for name, mask in MASKS.items() if pointer.mask & mask}
        self._keyboard = Keyboard(list(held), self._redaction.keys(self._start_ns))
        self._tell_recording(self._start_ns, "start")

    def take_event(self, event: Event) -> None:
        """Writes an event, unless it is to be kept back."""
        if event.topic == "control":
            if event.message["command"] == "pause":
                self.paused = not self.paused
                self._tell_recording(event.time_ns, "pause" if self.paused else "resume")
            return
        told = not self.paused
        if event.topic == "keyboard":
            down, redacted = event.message["event_type"] == "press", self._redaction.keys(event.time_ns)
            told = self._keyboard.take(event.message["vk"], down, redacted or self.paused) and told
            if redacted and not self.paused:
                self._mark(event.time_ns, self._redaction.picture(event.time_ns))
        else:
            self._follow_mouse(event.message)
        if told:
            self._file.add(event.time_ns, event.topic, event.message)
            self.events += 1

    def take_picture(self, picture: Picture) -> None:
        """Writes a picture, without what must not be seen, and what else is known of its moment."""
        if self.paused or picture.time_ns < self._start_ns:
            return
        verdict = self._redaction.picture(picture.time_ns)
        self._mark(picture.time_ns, verdict)
        if verdict.whole:
            picture.bgra[:] = 0
        blank(picture.bgra, verdict.rects, self._region[:2])
        self._video_ns = picture.time_ns if self._video_ns is None else self._video_ns
        self._time_ms = max(round((picture.time_ns - self._video_ns) / MS), self._time_ms + 1)
        self._video.add(picture.bgra, self._time_ms)
        self._tell_screen()  # of the picture before, which is in the file now
        media = {"uri": self._uri, "pts_ns": self._time_ms * MS}
        shape = [self._region.width, self._region.height]
        message = {"utc_ns": picture.time_ns, "source_shape": shape, "shape": shape, "media_ref": media}
        self._screen = (picture.time_ns, message)
        self._tell_window(picture.time_ns)
        if picture.time_ns - self._states_ns >= STATES_NS:
            self._tell_states(picture.time_ns)

    def flush(self) -> None:
        """Puts the events where a kill cannot reach them."""
        self._file.flush()

    def close(self) -> None:
        """Completes both files."""
        try:
            self._video.close()
            self._tell_screen()
        finally:
            self._file.close()

    def _follow_mouse(self, message: Any) -> None:
        self._mouse = {"x": message["x"], "y": message["y"]}
        if message["event_type"] == "click":
            (self._buttons.add if message["pressed"] else self._buttons.discard)(message["button"])

    def _mark(self, time_ns: int, verdict: Verdict) -> None:
        """Says what is kept back from now on, where that changes."""
        if verdict != self._verdict:
            rects = [list(rect) for rect in verdict.rects]
            message = {"keys": verdict.keys, "whole": verdict.whole, "rects": rects, "reasons": list(verdict.reasons)}
            self._file.add(time_ns, "redacted", message)
            self._verdict = verdict

    def _tell_screen(self) -> None:
        if self._screen is not None:
            self._file.add(self._screen[0], "screen", self._screen[1])
            self.frames += 1
            self._screen = None

    def _tell_window(self, time_ns: int) -> None:
        front = self._redaction.front(time_ns)
        if self._redaction.keys(time_ns):
            front = Front("", front.rect, 0)  # a title can tell a secret, too
        if front != self._front:
            self._front = front
            self._add_window(time_ns)

    def _add_window(self, time_ns: int) -> None:
        if self._front is not None:
            message = {"title": self._front.title, "rect": list(self._front.rect), "hWnd": self._front.identity}
            self._file.add(time_ns, "window", message)

    def _tell_states(self, time_ns: int) -> None:
        self._states_ns = time_ns
        self._file.add(time_ns, "mouse/state", {**self._mouse, "buttons": sorted(self._buttons)})
        self._file.add(time_ns, "keyboard/state", {"buttons": sorted(self._keyboard.held)})
        self._add_window(time_ns)

    def _tell_recording(self, time_ns: int, event: str) -> None:
        """Says that the recording starts, pauses or goes on, with the state of things."""
        self._file.add(time_ns, "recording", {"event": event, "origin": list(self._region[:2])})
        if event != "pause":
            self._tell_states(time_ns)
