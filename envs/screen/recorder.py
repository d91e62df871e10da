"""Brings events, pictures and what must be redacted into the order of time, and writes the recording."""

import time
from bisect import insort
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue

from Xlib.display import Display

from envs.screen.clock import NS, now_ns
from envs.screen.display import close_display, find_key, open_display
from envs.screen.listener import Event, Listener
from envs.screen.passwords import PasswordWatcher
from envs.screen.pictures import Grabber, Region
from envs.screen.redaction import MARGIN_NS, Redaction
from envs.screen.video import check_codec
from envs.screen.watching import Watcher
from envs.screen.writing import RecordingWriter
from worldmodel.types import InputError

TURN_S = 0.02
FLUSH_NS = NS // 5
KEPT_NS = 5 * NS  # states are kept so long after they were needed, for a picture that comes late
LATE_NS = NS // 2  # pictures that wait longer to be written are left out, so that a kill does not lose what waits
PATIENCE_NS = 20 * NS  # to learn the last states
HOTKEYS = {"pause": "F9", "stop": "F10", "redact": "F8"}


@dataclass(frozen=True)
class Settings:
    """What to record, and how.

    Attributes:
        fps: pictures per second.
        codec: one of `envs.screen.video.CODECS`.
        region: part of the screen; None: all of it.
        seconds: when to stop; None: when told to.
        exclude: windows that must not be seen, see `WindowReader`.
        browser: port of a browser whose password fields must not be seen; None: there is none.
        hotkeys: command -> X name of its key.
    """

    fps: int = 15
    codec: str = "h264"
    region: Region | None = None
    seconds: int | None = None
    exclude: tuple[str, ...] = ()
    browser: int | None = None
    hotkeys: Mapping[str, str] = field(default_factory=lambda: dict(HOTKEYS))


@dataclass(frozen=True)
class Progress:
    """How far a recorder is.

    Attributes:
        seconds: since it began.
        frames: pictures written.
        events: of mouse and keyboard, written.
        dropped: pictures left out for lack of time.
        paused: nothing is recorded now.
        redacted: something is kept back now.
    """

    seconds: float
    frames: int
    events: int
    dropped: int
    paused: bool
    redacted: bool


class Recorder:
    """Records until it is told to stop; everything that can be wrong with the settings is told before a file is made.

    Args:
        output: path of the recording without its suffixes, ``.mcap`` and ``.mkv``.
        settings: what to record.

    Raises:
        InputError: no screen, no such key, codec, region or browser.
    """

    def __init__(self, output: Path, settings: Settings) -> None:
        check_codec(settings.codec)
        self._output, self._settings = output, settings
        self._display: Display = open_display()
        hotkeys = {find_key(self._display, name): command for command, name in settings.hotkeys.items()}
        if len(hotkeys) != len(settings.hotkeys):
            raise InputError(f"record: keys {', '.join(settings.hotkeys.values())} found, wanted different ones")
        self._listener = Listener(hotkeys)
        self._grabber = Grabber(settings.region, settings.fps)
        self._watcher = Watcher(settings.exclude)
        self._passwords = None if settings.browser is None else PasswordWatcher(settings.browser)
        self._redaction = Redaction(self._watcher.desktop, self._passwords and self._passwords.fields)
        self._commands: SimpleQueue[Event] = SimpleQueue()
        self._pending: list[Event] = []
        self._stop_ns: int | None = None
        self._late = 0

    def command(self, name: str) -> None:
        """Takes ``stop``, ``pause`` or ``redact`` as if its key were pressed now; may be called from anywhere."""
        self._commands.put(Event(now_ns(), "control", {"command": name}))

    def run(self, show: Callable[[Progress], None]) -> Progress:
        """Records; returns what was written.

        Args:
            show: called again and again with the state of things.

        Raises:
            InputError: the display went away; what came before is in the recording.
            OSError: the files cannot be written.
        """
        with ExitStack() as stack:
            self._start(stack)
            start_ns = now_ns()
            pointer = self._display.screen().root.query_pointer()
            held = self._listener.held_keys(self._display)
            if self._settings.seconds is not None:
                self._stop_ns = start_ns + self._settings.seconds * NS
            while not self._known_ns() > start_ns:  # it takes that long to know whether the start is redacted
                self._check(start_ns)
                time.sleep(TURN_S)
            codec, fps = self._settings.codec, self._settings.fps
            writer = RecordingWriter(self._output, codec, fps, self._redaction, self._grabber.region, start_ns)
            stack.callback(writer.close)
            writer.begin(pointer, held)
            gone = self._record(writer, start_ns, lambda: show(self._progress(writer, start_ns)))
        if gone:
            raise InputError(f"record: the display went away, {self._output} holds what came before")
        return self._progress(writer, start_ns)

    def _start(self, stack: ExitStack) -> None:
        stack.callback(close_display, self._display)
        self._listener.start()
        stack.callback(self._listener.stop, self._display)
        for thread in filter(None, (self._watcher, self._passwords, self._grabber)):
            thread.start()
            stack.callback(thread.stop)

    def _known_ns(self) -> int:
        """Until when it is known what happened and what has to be redacted."""
        return min(self._listener.known_ns - MARGIN_NS, self._redaction.known_ns)

    def _check(self, since_ns: int) -> None:
        if self._listener.ended.is_set() or self._watcher.ended.is_set() or now_ns() - since_ns > PATIENCE_NS:
            raise InputError("record: the display does not say what it shows, wanted a running X11 screen")

    def _record(self, writer: RecordingWriter, start_ns: int, show: Callable[[], None]) -> bool:
        """Writes until the end; returns whether the display went away before it."""
        flushed_ns = now_ns()
        while True:
            known_ns = self._known_ns()  # before the events are taken, so that all until then are among them
            self._take_new(start_ns)
            stop_ns = self._stop_ns if self._stop_ns is not None else known_ns + 1
            self._write(writer, min(known_ns, stop_ns - 1))
            self._redaction.forget(known_ns - KEPT_NS)
            if known_ns >= stop_ns:
                return False
            if self._listener.ended.is_set() or self._watcher.ended.is_set() or now_ns() > stop_ns + PATIENCE_NS:
                return True
            if now_ns() - flushed_ns >= FLUSH_NS:
                writer.flush()
                show()
                flushed_ns = now_ns()
            time.sleep(TURN_S)

    def _take_new(self, start_ns: int) -> None:
        """Takes what is new of the events since the start into their order."""
        for queue in (self._listener.events, self._commands):
            while True:
                try:
                    event = queue.get_nowait()
                except Empty:
                    break
                command = event.message.get("command")
                if command == "redact":
                    self._redaction.toggle(event.time_ns)
                elif event.time_ns < start_ns:
                    continue
                elif command == "stop":
                    self._stop_ns = min(event.time_ns, self._stop_ns or event.time_ns)
                elif command == "pause":  # pictures rest at once, since what is seen now is written only later
                    (self._grabber.resting.clear if self._grabber.resting.is_set() else self._grabber.resting.set)()
                insort(self._pending, event, key=lambda event: event.time_ns)

    def _write(self, writer: RecordingWriter, until_ns: int) -> None:
        pictures, done = self._grabber.pictures, 0
        while True:
            event_ns = self._pending[done].time_ns if done < len(self._pending) else until_ns + 1
            picture_ns = pictures[0].time_ns if pictures else until_ns + 1
            if min(event_ns, picture_ns) > until_ns:
                break
            if event_ns <= picture_ns:
                writer.take_event(self._pending[done])
                done += 1
            elif picture_ns < self._known_ns() - LATE_NS:
                pictures.popleft()
                self._late += 1
            else:
                writer.take_picture(pictures.popleft())
        del self._pending[:done]

    def _progress(self, writer: RecordingWriter, start_ns: int) -> Progress:
        end_ns = now_ns() if self._stop_ns is None else min(self._stop_ns, now_ns())
        dropped = self._grabber.dropped + self._late
        return Progress((end_ns - start_ns) / NS, writer.frames, writer.events, dropped, writer.paused, writer.redacted)
