"""A safety layer between whoever commands a robot and the robot: what is unsafe is clipped, held back, or stops it all.

    clipped   value, speed, workspace     brought to the nearest command that `SafetyLimits` allow
    held      not finite, stale           the command is dropped, the robot is told to stay; the next one may pass
    stopped   outside, lost, emergency    `Stopped` is raised, for every command from then on, until `reset`

It knows no robot: the caller tells it what it sees and hears of one, and sends what it returns and nothing else. Where
a robot keeps moving without commands, the caller has to halt it when `Stopped` is raised.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from policies.safety_limits import Limit, Numbers, SafetyLimits
from worldmodel.types import InputError

logger = logging.getLogger(__name__)
KEPT_EVENTS = 1000
Kind = Limit | Literal["not finite", "stale", "outside", "lost", "emergency", "reset"]


@dataclass(frozen=True)
class SafetyEvent:
    """Something that the safety layer did.

    Attributes:
        time_s: when, by its clock.
        kind: which limit or what happened.
        reason: in words, with the values seen.
    """

    time_s: float
    kind: Kind
    reason: str


class Stopped(RuntimeError):
    """The robot may not be commanded until a person has looked and called `SafetyLayer.reset`."""


class SafetyLayer:
    """Lets pass what is within limits, while the robot is seen and heard.

    Per command: the robot's driver reports observations (`observed`) and other signs of life (`heartbeat`), and asks
    what to send (`check`). A command that comes without a fresh observation is held back: whoever decided on it did not
    know what the robot looks like now. `emergency_stop` may be called from any thread; a file does the same for other
    processes.

    Args:
        limits: on commands.
        max_observation_age_s: a command must come at most so long after the observation that it was decided on.
        max_silence_s: without a sign of life for longer, the connection counts as lost.
        stop_file: while it exists, it is an emergency stop.
        clock: tells the time, in s.

    Raises:
        InputError: ages that are not positive.
    """

    def __init__(
        self,
        limits: SafetyLimits,
        max_observation_age_s: float = 0.5,
        max_silence_s: float = 2.0,
        stop_file: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        for name, value in (("max_observation_age_s", max_observation_age_s), ("max_silence_s", max_silence_s)):
            if not value > 0.0:
                raise InputError(f"safety: {name} {value}, wanted a positive number")
        self.limits, self.stop_file, self.clock = limits, stop_file, clock
        self.max_observation_age_s, self.max_silence_s = max_observation_age_s, max_silence_s
        self.events: deque[SafetyEvent] = deque(maxlen=KEPT_EVENTS)
        self.stopped: SafetyEvent | None = None
        self._forget()

    def observed(self, at: float | None = None) -> None:
        """An observation came in: of now, or of a time by the layer's clock.

        Raises:
            InputError: a time that is to come, or none.
        """
        now = self.clock()
        if at is not None and not at <= now:
            raise InputError(f"safety: an observation of {at} s, wanted a time up to now, {now} s")
        self._observed_at = now if at is None else at
        self.heartbeat()

    def heartbeat(self) -> None:
        """The robot gave a sign of life."""
        self._alive_at = self.clock()

    def lost(self, reason: str) -> None:
        """The connection is lost: no command passes until `reset`."""
        self._stop("lost", reason)

    def emergency_stop(self, reason: str) -> None:
        """No command passes until `reset`."""
        self._stop("emergency", reason)

    def reset(self) -> None:
        """Ends a stop, after a person has looked; what was observed and commanded before is forgotten.

        Raises:
            Stopped: the stop file is still there.
        """
        self._look_for_stop_file()
        if self.stopped is not None:
            self._note("reset", f"after {self.stopped.kind}: {self.stopped.reason}", logging.WARNING)
        self.stopped = None
        self._forget()

    def check(self, action: Float[np.ndarray, "a"], position: Float[np.ndarray, "s"]) -> Numbers:
        """Returns what to send to the robot in place of an action.

        Args:
            action: what is wanted, in the body's own units.
            position: from which displacements count, read now: the place that the robot is drawn to where it keeps
                one, else the place where it is.

        Raises:
            Stopped: nothing may be sent.
            InputError: an action or a position of another size.
        """
        sizes, wanted = (len(action), len(position)), (len(self.limits.action), len(self.limits.workspace_low))
        if sizes != wanted:
            raise InputError(f"safety: (actions, positions) {sizes}, wanted {wanted}")
        self._look_for_stop_file()
        self._listen(position)
        action, position = np.asarray(action, np.float64), np.asarray(position, np.float64)
        elapsed_s = np.inf if self._commanded_at is None else self.clock() - self._commanded_at
        intervals = self.limits.intervals(position, self._last, elapsed_s)
        if conflicts := list(self.limits.conflicts(intervals)):
            self._stop("outside", "; ".join(conflicts))
            self._refuse()
        if self._reason_to_hold(action):
            action = self.limits.hold(position, self._last)
        safe, changes = self.limits.within(action, intervals)
        for limit, change in changes:
            self._note(limit, change, logging.INFO)
        self._last, self._commanded_at = safe, self.clock()
        return safe.copy()

    def _listen(self, position: Float[np.ndarray, "s"]) -> None:
        """Refuses to go on where the robot is stopped, silent, or talks nonsense."""
        if self.stopped is None:
            silence_s = 0.0 if self._alive_at is None else self.clock() - self._alive_at
            if silence_s > self.max_silence_s:
                self._stop("lost", f"no sign of life for {silence_s:.3g} s, allowed {self.max_silence_s:g} s")
            elif not np.isfinite(position).all():
                self._stop("lost", f"the robot says that it is at {list(position)}, wanted finite numbers")
        self._refuse()

    def _refuse(self) -> None:
        if self.stopped is not None:
            raise Stopped(f"{self.stopped.kind} stop: {self.stopped.reason} (look at the robot, then reset)")

    def _reason_to_hold(self, action: Float[np.ndarray, "a"]) -> bool:
        age_s = np.inf if self._observed_at is None else self.clock() - self._observed_at
        if age_s > self.max_observation_age_s:
            seen = "nothing was seen yet" if np.isinf(age_s) else f"last seen {age_s:.3g} s ago"
            self._note("stale", f"{seen}, allowed {self.max_observation_age_s:g} s", logging.WARNING)
            return True
        if not np.isfinite(action).all():
            self._note("not finite", f"{action.tolist()}, wanted finite numbers", logging.WARNING)
            return True
        return False

    def _look_for_stop_file(self) -> None:
        if self.stop_file is not None and self.stop_file.exists():
            if self.stopped is None:
                self._stop("emergency", f"file {self.stop_file}")
            self._refuse()

    def _stop(self, kind: Kind, reason: str) -> None:
        event = self._note(kind, reason, logging.ERROR)
        self.stopped = self.stopped or event  # what happened first is what a person has to know

    def _note(self, kind: Kind, reason: str, level: int) -> SafetyEvent:
        event = SafetyEvent(self.clock(), kind, reason)
        self.events.append(event)
        logger.log(level, "safety: %s: %s", kind, reason)
        return event

    def _forget(self) -> None:
        self._observed_at: float | None = None
        self._alive_at: float | None = None
        self._commanded_at: float | None = None
        self._last: Numbers | None = None
