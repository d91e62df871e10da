"""One person's game: a dream and, where there is one, the real environment, on a common time line.

Knows nothing of the web. Frame 0 is the start; ``actions[t]`` leads from frame t to frame t + 1. A step from a moment
in the past is a branch: what came after it is set aside as a take of its own, and goes on to be saved.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float32, UInt8

from worldmodel.models.world_model import WorldModel
from worldmodel.panels import DIFFERENCE_GAIN, difference, films_beside
from worldmodel.play.dream import Dream
from worldmodel.play.real import Real
from worldmodel.rollout import clip
from worldmodel.types import EmbodimentSpec, Episode, EpisodeSource, InputError

CONTEXT_FRAMES = 4  # shown to a dream that starts from a recording
MAX_FRAMES = 1500  # on one time line; two minutes and a half at 10 frames/s
FILM_FRAMES = 600  # in a clip, so that drawing it stays within some 250 MB
MAX_TAKES = 100  # set aside in one session
MAX_STEPS = 16  # Euler steps
EXECUTE = 8  # actions of a policy's chunk that are carried out before the next plan
LICENCE = "CC0-1.0"  # simulated by whoever plays


@dataclass
class Moment:
    """One frame of the time line.

    Attributes:
        dream: dreamed picture.
        real: true picture; None without an environment.
        position: true proprioception, where there is one.
        action: what led here; None at the start.
        reward: what that earned in the real environment.
        success: it reached the goal there.
    """

    dream: UInt8[np.ndarray, "h w 3"]
    real: UInt8[np.ndarray, "h w 3"] | None
    position: Float32[np.ndarray, "s"] | None = None
    action: Float32[np.ndarray, "a"] | None = None
    reward: float = 0.0
    success: bool = False


@dataclass
class Line:
    """The time line: all moments, where the viewer stands, and from where on nothing is saved yet."""

    moments: list[Moment] = field(default_factory=list)
    at: int = 0
    unsaved_from: int = 0


class Session:
    """A game that starts from an environment or from recordings.

    Args:
        model: dreams and, when asked, drives.
        real: the environment; None to play in the dream alone.
        source: recordings whose first frames are the starts, without an environment.
        embodiment: whose actions they are in the environment; the model's first body unless given.

    Attributes:
        number: of the start.
        line: the time line.

    Raises:
        InputError: neither or both of environment and recordings are given, or the model does not know the body.
    """

    def __init__(
        self,
        model: WorldModel,
        real: Real | None = None,
        source: EpisodeSource | None = None,
        embodiment: str | None = None,
    ) -> None:
        if (real is None) == (source is None):
            raise InputError("play: wanted either an environment or recordings to start from")
        self.model, self.real, self.source = model, real, source
        self._body = model.embodiment_index(embodiment)
        self._takes: list[Episode] = []
        self.start(0)

    @property
    def spec(self) -> EmbodimentSpec:
        """The body that is being moved."""
        return self.model.embodiments[self._body]

    @property
    def take_spec(self) -> EmbodimentSpec:
        """The body as `takes` record it: nobody knows its state in a dream."""
        return self.spec if self.real is not None else replace(self.spec, state_low=[], state_high=[], state_points=[])

    @property
    def now(self) -> Moment:
        """The moment that the viewer looks at."""
        return self.line.moments[self.line.at]

    @property
    def ended(self) -> bool:
        """No further step can be taken from the moment that the viewer looks at."""
        last = self.line.at == len(self.line.moments) - 1
        return last and (self.line.at + 1 >= MAX_FRAMES or (self.real is not None and self.real.ended))

    def start(self, number: int) -> Moment:
        """Begins another time line: environment seed or recording ``number``, counted round where there are few."""
        if number < 0:
            raise InputError(f"start {number}, wanted 0 or more")
        if hasattr(self, "line"):
            self._check_room()
            self._set_aside()
        self.number, self._plan = number, []
        if self.source is not None:
            episode = self.source[number % len(self.source)]
            self._body = self.model.embodiment_index(episode.embodiment)
            frames, actions = clip(self.model, episode, 0, CONTEXT_FRAMES)
            first = Moment(frames[-1], None)
        else:
            assert self.real is not None
            frames, actions = self.real.start(number)[None], np.zeros((0, len(self.spec.action)), np.float32)
            first = Moment(frames[0], frames[0], self.real.position)
        self._dream = Dream(self.model, self.spec.name, frames, actions, seed=1000 * number)
        self.line = Line([first])
        return first

    def step(self, action: Float32[np.ndarray, "a"] | None, steps: int | None = None) -> Moment:
        """Takes one step from the moment that the viewer looks at; from the past, it branches.

        Args:
            action: in its own units, clipped to its limits; None lets the policy choose.
            steps: Euler steps per dreamed frame; the model's own unless given.

        Raises:
            InputError: the episode has ended, the time line is full, or the action has another length.
        """
        steps = self.model.sampling_steps if steps is None else steps
        if not 1 <= steps <= MAX_STEPS:
            raise InputError(f"steps {steps}, wanted 1 to {MAX_STEPS}")
        if action is not None:
            action = self._checked(action)
        if self.line.at < len(self.line.moments) - 1:
            self._branch()
        if self.ended:
            raise InputError("the episode has ended: go back in time, or begin another start")
        if action is None:
            action = self._checked(self._next_planned())
        else:
            self._plan = []
        dream = self._dream.step(action, steps)
        moment = Moment(dream, None, action=action)
        if self.real is not None:
            moment.real = self.real.step(action)
            moment.position = self.real.position
            moment.reward, moment.success = self.real.reward, self.real.success
        self.line.moments.append(moment)
        self.line.at += 1
        return moment

    def seek(self, frame: int) -> Moment:
        """Looks at another moment of the time line; nothing is lost until a step branches there."""
        if not 0 <= frame < len(self.line.moments):
            raise InputError(f"frame {frame}, wanted 0 to {len(self.line.moments) - 1}")
        self.line.at, self._plan = frame, []
        return self.now

    def takes(self) -> list[Episode]:
        """Everything that was played and is not yet `forget`-ed; what several branches share is in one take only.

        Frames are the real environment's, or dreamed ones (without a state) where there is none.
        """
        self._set_aside()
        self.line.unsaved_from = len(self.line.moments) - 1
        return list(self._takes)

    def forget(self, take: Episode) -> None:
        """Lets go of a take that is safe elsewhere."""
        self._takes = [other for other in self._takes if other is not take]

    def film(self) -> UInt8[np.ndarray, "t height width 3"]:
        """Draws the time line, the last `FILM_FRAMES` of it: dream, real and difference beside each other."""
        moments = self.line.moments[-FILM_FRAMES:]
        dream = np.stack([moment.dream for moment in moments])
        title = f"start {self.number}"
        if self.real is None:
            return films_beside([("dream", dream)], title=title)
        real = np.stack([moment.real for moment in moments if moment.real is not None])
        columns = [("dream", dream), ("real", real), (f"difference x{DIFFERENCE_GAIN}", difference(real, dream))]
        return films_beside(columns, title=title)

    def close(self) -> None:
        """Closes the environment."""
        if self.real is not None:
            self.real.close()

    def _checked(self, action: Float32[np.ndarray, "a"]) -> Float32[np.ndarray, "a"]:
        spec = self.spec.action
        if action.shape != (len(spec),) or not np.isfinite(action).all():
            raise InputError(f"action {action.tolist()}, wanted {len(spec)} finite numbers")
        return np.clip(action, spec.low, spec.high).astype(np.float32)

    def _branch(self) -> None:
        at = self.line.at
        self._check_room()
        self._set_aside()
        self._dream.rewind(at)
        if self.real is not None:
            self.real.rewind(at)
        del self.line.moments[at + 1 :]
        self.line.unsaved_from = at

    def _check_room(self) -> None:
        if len(self._takes) >= MAX_TAKES:
            raise InputError(f"{MAX_TAKES} takes are not saved yet: save the session first")

    def _set_aside(self) -> None:
        """Keeps what is new on the time line as a take."""
        first = self.line.unsaved_from
        if len(self.line.moments) - first < 2:
            return
        self._takes.append(self._episode(self.line.moments[first:]))

    def _episode(self, moments: list[Moment]) -> Episode:
        before, after = moments[:-1], moments[1:]
        positions = [moment.position for moment in before if moment.position is not None]
        known = self.real is not None
        world = type(self.real.env.unwrapped).__name__ if self.real else "dream"
        return Episode(
            frames={"pixels": np.stack([moment.dream if moment.real is None else moment.real for moment in before])},
            actions=np.stack([moment.action for moment in after if moment.action is not None]),
            action_mask=np.ones(len(before), bool),
            fps=self.spec.fps,
            embodiment=self.spec.name,
            episode_id=f"start-{self.number}",
            source=f"worldmodel play: {world}",
            licence=LICENCE if known else "unknown",
            state=np.stack(positions) if self.take_spec.state_low else None,
            reward=np.array([moment.reward if known else np.nan for moment in after], np.float32),
            success=np.array([moment.success for moment in after], bool) if known else None,
            terminated=known and after[-1].success,
            text=self.real.text if self.real else None,
        ).validate()

    def _next_planned(self) -> Float32[np.ndarray, "a"]:
        """The policy's next action: it sees reality, or the dream where there is none."""
        if not self._plan:
            recent = self.line.moments[-self.model.context_frames :]
            frames = np.stack([moment.dream if moment.real is None else moment.real for moment in recent])
            position = self.now.position if self.spec.state_low else None
            state = None if position is None else position[None]
            chunk = self.model.act(frames[None], state, seed=len(self.line.moments), embodiment=self.spec.name)
            self._plan = list(chunk[0, :EXECUTE])
        return self._plan.pop(0)
