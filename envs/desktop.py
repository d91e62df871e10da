"""A desktop: real programs on a virtual X screen, in real time, acted on with mouse and keyboard."""

import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import mss
import numpy as np
from gymnasium import spaces
from jaxtyping import UInt8
from mss.exception import ScreenShotError
from Xlib.display import Display
from Xlib.error import ConnectionClosedError, DisplayError, XError

from envs.desktop_programs import environment, find_program, furnish, read_programs, sandbox_problem, sandboxed
from envs.desktop_windows import put, tile, wait_for_manager, wait_for_windows
from envs.screen.display import close_display
from envs.screen.windows import WindowReader
from envs.screen_spaces import read_action, readable, screen_spaces
from envs.ticks import Ticks
from envs.x_hands import XHands
from envs.xvfb import START_S, ScreenError, VirtualScreen
from worldmodel.data.frames import read_size, resize_frames
from worldmodel.data.screen import FPS, SCREEN, screen_spec
from worldmodel.types import EmbodimentSpec, InputError

GONE = (ScreenError, ConnectionClosedError, DisplayError, XError, ScreenShotError, OSError)
Judge = Callable[[Path], tuple[float, bool]]


class Desktop(gymnasium.Env[dict[str, Any], np.ndarray]):
    """Programs side by side on a screen; every episode starts them anew, with an empty home folder.

    Observation: ``pixels`` uint8 (h w 3), the screen with the pointer as programs shape it (some hide it while keys are
    typed); ``agent_pos`` float32 (2,): where the pointer is, x and y in px of the picture; ``text``: the instruction,
    or the title of the window in front (characters beyond U+2FFF become U+FFFD).

    Action: see `worldmodel.data.screen`; the pointer stops at the edges.
    Within a tick, shift, ctrl and alt come first, then the pointer moves, buttons go down or up, the key is typed,
    and the wheel turns by whole notches. Reward: 0, or the judge's. ``info``: ``is_success`` (the judge ended the
    episode with a reward above 0), ``crashed``, and ``late_s``: how much later than planned the step ended, in s.

    A step ends 0.1 s after the one before, of real time, however long its caller thinks; where that is over already, it
    ends at once, and ticks that are over altogether are left out. So nothing repeats itself exactly: the seed draws
    only where the pointer is at first.

    Programs see none of this process's variables. They run in a sandbox (bubblewrap) without network, in which they can
    write nothing but their home and see no process but their own. They can read what the user can. Where this machine
    does not permit a sandbox there is a warning, and they may do all that the user may. The window manager is jwm:
    windows have a bar to move and close them by. A program that is closed (status 0) is gone; when the last one is, the
    episode ends (``truncated``). It also ends, with ``info["crashed"]``, when a program fails or the X server crashes
    or hangs.

    Args:
        programs: one or several of ``"terminal"`` (xterm), ``"editor"`` (l3afpad), ``"files"`` (pcmanfm) and
            ``"browser"`` (chromium), perhaps with arguments, or any command line that shows a window.
        screen: height and width of the screen in px, one number or two.
        size: of the picture, as `screen`, which is shrunk to it; None: the screen's. Divisible by 16.
        instruction: what ``text`` says; None: the title of the window in front.
        judge: is given the programs' home after every step; returns the reward and whether the episode is over.
        timeout_s: time after which an X server that does not answer counts as hung.
        render_mode: ``"rgb_array"`` or None.

    Raises:
        InputError: a program, Xvfb, jwm or bubblewrap is not installed, a size that is not divisible by 16, or no time
            to answer.
    """

    metadata: ClassVar[dict[str, Any]] = {  # pyright: ignore[reportIncompatibleVariableOverride]
        "render_modes": ["rgb_array"],
        "render_fps": int(FPS),
    }
    embodiment: EmbodimentSpec = SCREEN

    def __init__(
        self,
        programs: str | Sequence[str] = ("terminal", "editor"),
        screen: int | Sequence[int] = (480, 640),
        size: int | Sequence[int] | None = None,
        instruction: str | None = None,
        judge: Judge | None = None,
        timeout_s: float = 30.0,
        render_mode: str | None = "rgb_array",
    ) -> None:
        if not 0.0 < timeout_s < np.inf:
            raise InputError(f"Desktop: timeout_s {timeout_s}, wanted a positive number of seconds")
        self.task = programs if isinstance(programs, str) else ", ".join(programs)
        self.task_description, self.render_mode = readable(instruction or ""), render_mode
        self._instruction, self._judge, self._timeout_s = instruction, judge, timeout_s
        self._screen_size = read_size(screen, "Desktop")
        self.height, self.width = self._screen_size if size is None else read_size(size, "Desktop")
        self._programs = read_programs(programs, "Desktop")
        self._server, *_ = (find_program(name, "Desktop") for name in ("Xvfb", "jwm", "bwrap"))
        self._scale = np.array([self._screen_size[1] / self.width, self._screen_size[0] / self.height])
        self.embodiment = screen_spec(self.height, self.width)
        self.observation_space: spaces.Space[dict[str, Any]]
        self.observation_space, self.action_space = screen_spaces(self.embodiment, self.height, self.width)
        self._ticks = Ticks(1.0 / FPS)
        self._screen: VirtualScreen | None = None
        self._display: Display | None = None
        self._seen: dict[str, Any] = {}

    @property
    def home(self) -> Path:
        """The programs' home folder, for judges and tests.

        Raises:
            ResetNeeded: no episode goes on.
        """
        return self._running().home

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Starts the screen and the programs, one after the other, and waits for their windows.

        Raises:
            InputError: a program ends or shows no window, or the screen does not start.
        """
        super().reset(seed=seed)
        x, y = (int(self.np_random.integers(limit)) for limit in (self._screen_size[1], self._screen_size[0]))
        self.close()
        try:
            self._begin(x, y)
        except GONE as error:
            self.close()
            found = " ".join(str(error).split())
            raise InputError(f"Desktop: {self.task}: {found}, wanted programs that show a window") from error
        self._ticks.start()
        return self._observation(), {"is_success": False, "crashed": False, "late_s": 0.0}

    def step(self, action: np.ndarray) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Acts, and returns at the end of the tick; an action outside its limits is clipped.

        Raises:
            InputError: an action of another shape, or not finite.
        """
        action = read_action(action, self.embodiment, "Desktop")
        screen = self._running()
        action[:2] *= self._scale
        late_s, crashed, over = 0.0, False, False
        try:
            with screen.watched(self._timeout_s):
                self._hands.act(action)
                late_s = self._ticks.wait()
                self._observe()
            crashed, over = self._check(screen)
        except GONE:
            crashed = True
        reward, done = (0.0, False) if crashed or self._judge is None else self._judge(screen.home)
        if crashed or over:
            self.close()
        info = {"is_success": done and reward > 0.0, "crashed": crashed, "late_s": late_s}
        return self._observation(), float(reward), done, crashed or over, info

    def render(self) -> UInt8[np.ndarray, "h w 3"]:
        """Returns what the observation shows."""
        return self._observation()["pixels"]

    def close(self) -> None:
        """Ends programs and screen and removes their folder; a later reset starts others."""
        if self._display is not None:
            with suppress(*GONE):
                self._grabber.close()
            close_display(self._display)
            self._display = None
        if self._screen is not None:
            self._screen.close()
            self._screen = None

    def _running(self) -> VirtualScreen:
        if self._screen is None:
            raise gymnasium.error.ResetNeeded("Desktop: no episode goes on: before reset, or after a crash")
        return self._screen

    def _begin(self, x: int, y: int) -> None:
        if problem := sandbox_problem():
            warnings.warn(f"Desktop: programs have network and all rights of the user ({problem})", stacklevel=3)
        height, width = self._screen_size
        screen = self._screen = VirtualScreen(self._server, height, width, environment())
        with screen.watched((2 + len(self._programs)) * START_S):
            with screen.permitted():
                display = self._display = Display(screen.name)
                self._grabber = mss.MSS(display=screen.name, with_cursor=True)
            self._hands, self._windows = XHands(display), WindowReader(display, [])
            self._hands.move(float(x), float(y))
            self._open_programs(display, screen)
            self._observe()

    def _open_programs(self, display: Display, screen: VirtualScreen) -> None:
        screen.start(sandboxed(furnish(screen.home), screen.home))
        wait_for_manager(display, screen)
        for index, words in enumerate(self._programs):
            screen.start(sandboxed(words, screen.home))
            window = wait_for_windows(display, screen, index + 1, words[0])
            put(display, window, tile(index, len(self._programs), *self._screen_size))

    def _check(self, screen: VirtualScreen) -> tuple[bool, bool]:
        """Whether something crashed, and whether all programs are closed."""
        screen.look()
        ended = screen.ended
        return any(index < 2 or status for index, status in ended.items()), len(ended) == len(self._programs)

    def _observe(self) -> None:
        """Takes down what there is to see now."""
        try:
            shot = self._grabber.grab(self._grabber.monitors[0])
        except AssertionError as error:  # so mss tells of a server that ends before it has answered
            raise ScreenError("the X server ended") from error
        picture = np.frombuffer(shot.raw, np.uint8).reshape(1, shot.height, shot.width, 4)[..., 2::-1]
        place = np.array(self._hands.place()) / self._scale
        text = self._windows.look().front.title if self._instruction is None else self._instruction
        self._seen = {
            "pixels": resize_frames(np.ascontiguousarray(picture), self.height, self.width)[0],
            "agent_pos": place.astype(np.float32),
            "text": readable(text),
        }

    def _observation(self) -> dict[str, Any]:
        return {name: part if isinstance(part, str) else part.copy() for name, part in self._seen.items()}
