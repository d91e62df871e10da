"""The thread that looks at the windows again and again, and keeps the X server telling how far it has come."""

from collections.abc import Sequence
from threading import Event as Flag
from threading import Thread

from Xlib.error import ConnectionClosedError

from envs.screen.clock import now_ns
from envs.screen.display import close_display, open_display
from envs.screen.timeline import Timeline
from envs.screen.windows import Desktop, WindowReader

PERIOD_S = 0.05
PATIENCE_S = 5.0


class Watcher:
    """Looks from `start` to `stop`; a look that fails is repeated.

    Attributes:
        desktop: what was seen.
        errors: how many looks failed.
        ended: set when the display is gone.
    """

    def __init__(self, exclude: Sequence[str]) -> None:
        self.desktop: Timeline[Desktop] = Timeline()
        self.errors = 0
        self.ended = Flag()
        self._stopped = Flag()
        self._display = open_display()
        self._reader = WindowReader(self._display, exclude)
        self._thread = Thread(target=self._watch, name="watcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(PATIENCE_S)
        close_display(self._display)

    def _watch(self) -> None:
        while not self._stopped.wait(PERIOD_S):
            try:
                self.look()
            except (ConnectionClosedError, BrokenPipeError):
                break
            except Exception:  # windows come and go meanwhile, and others' properties hold anything
                self.errors += 1
        self.ended.set()

    def look(self) -> None:
        """Looks once; what the listener is told before the answer happened before it."""
        asked_ns = now_ns()
        desktop = self._reader.look()
        answered_ns = now_ns()
        self._display.no_operation()
        self._display.flush()
        self.desktop.add(asked_ns, answered_ns, desktop)
