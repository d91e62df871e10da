"""A web page in Chromium: MiniWoB++'s tasks, or any page of this machine, acted on with mouse and keyboard."""

from collections.abc import Sequence
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from jaxtyping import Float32, UInt8

from envs.chromium import BrowserError, Chromium, find_binary
from envs.hands import Hands
from envs.miniwob_tasks import find_page
from envs.page import Page
from envs.page_events import PageEvent, page_events
from envs.screen_spaces import read_action, readable, screen_spaces
from worldmodel.data.frames import read_size
from worldmodel.data.screen import FPS, SCREEN, screen_spec
from worldmodel.screen.pointer import draw_pointer
from worldmodel.types import EmbodimentSpec, InputError

ATTEMPTS = 2  # to begin an episode, each with a browser of its own
TICK_MS = 1000 / FPS
BEGIN = """
(() => {
  const task = typeof core === "undefined" ? {} : core;
  if (task.startEpisodeReal) {
    Math.seedrandom(SEED);
    if (task.setDataMode) task.setDataMode("train");
    task.EPISODE_MAX_TIME = 1e9;
    task.startEpisodeReal();
  }
  const text = task.getUtterance ? task.getUtterance() : document.title;
  return String(text.utterance ?? text);
})()
"""
JUDGE = "[Boolean(window.WOB_DONE_GLOBAL), Number(window.WOB_RAW_REWARD_GLOBAL) || 0]"


class Browser(gymnasium.Env[dict[str, Any], np.ndarray]):
    """A page on a screen, with what to do in words; MiniWoB++ draws it anew in every episode, from the seed.

    Observation: ``pixels`` uint8 (h w 3), the page with the mouse pointer drawn in; ``agent_pos`` float32 (2,): where
    the pointer is, x and y in px; ``text``: the instruction (characters beyond U+2FFF become U+FFFD). Action: see
    `worldmodel.data.screen`; the pointer stops at the edges. Within a tick, shift, ctrl and alt come first, then the
    pointer moves, buttons go down or up, the key is typed, and the wheel turns. Presses at one place within half a
    second count as a double click. Reward: MiniWoB's own without its discount for time, in [-1, 1], when the episode
    has ended; 0 before. ``info``: ``is_success`` (it was above 0), ``crashed``, and, of a step, ``events``: what mouse
    and keyboard did, in order (`envs.page_events`; none of a step that crashed).

    A step is 0.1 s of the page's own time, which passes in steps only: the same seed and actions give the same
    pictures in any browser of the same version, on a machine with the same fonts. (Once in a while they do not: a
    picture that the page asks for only when the pointer is over it may come a step late, and after a page was scrolled
    the edges of lines may be smoothed differently.) What the browser moves by itself stands still: GIFs, and a page
    while an arrow of its scroll bar is held. MiniWoB's own limits of time are off.
    A browser that hangs or crashes ends the episode (``truncated``, ``info["crashed"]``), and the next one gets
    another. There is no network but this machine's own loopback; windows, dialogs and downloads do not open; drag and
    drop works as far as a page does it by mouse events, not by those of HTML's ``draggable``; the wheel's events come
    from a script; the middle button does not paste.

    A page that is not MiniWoB's may end its episode in the same way, by ``WOB_DONE_GLOBAL = true`` and
    ``WOB_RAW_REWARD_GLOBAL``; its instruction is its title.

    Args:
        task: of MiniWoB++, such as ``"click-test"``, or the address of a page: ``"file:///..."``,
            ``"http://localhost..."``; or several, of which every reset draws one.
        size: height and width of the page's window in px, one number or two, divisible by 16. MiniWoB's pages fill
            210x160 px.
        timeout_s: time after which a browser that does not answer counts as hung.
        hold: steps that an episode goes on after the page has judged, the one of the judgement among them: recordings
            should show for a while what it led to.
        render_mode: ``"rgb_array"`` or None.

    Attributes:
        tasks: those that are drawn from.
        task: the one of this episode.
        task_description: its instruction.

    Raises:
        InputError: no task or an unknown one, an address elsewhere, a size that is not divisible by 16, no time to
            answer, ``hold`` below 1, no MiniWoB++, or no Chromium.
    """

    metadata: ClassVar[dict[str, Any]] = {  # pyright: ignore[reportIncompatibleVariableOverride]
        "render_modes": ["rgb_array"],
        "render_fps": int(FPS),
    }
    embodiment: EmbodimentSpec = SCREEN

    def __init__(
        self,
        task: str | Sequence[str] = "click-test",
        size: int | Sequence[int] = (224, 160),
        timeout_s: float = 30.0,
        hold: int = 1,
        render_mode: str | None = "rgb_array",
    ) -> None:
        if not 0.0 < timeout_s < np.inf:
            raise InputError(f"Browser: timeout_s {timeout_s}, wanted a positive number of seconds")
        if hold < 1:
            raise InputError(f"Browser: hold {hold}, wanted at least 1 step")
        self.tasks = (task,) if isinstance(task, str) else tuple(task)
        if not self.tasks:
            raise InputError("Browser: no task, wanted at least one")
        self.task, self.task_description = self.tasks[0], ""
        self.hold, self.render_mode = hold, render_mode
        self.height, self.width = read_size(size, "Browser")
        self._urls = {name: find_page(name, "Browser") for name in self.tasks}
        self._binary, self._timeout_s = find_binary("Browser"), timeout_s
        self._browser: Chromium | None = None
        self._page: Page | None = None
        self.embodiment = screen_spec(self.height, self.width)
        self._hands = Hands(self.height, self.width)
        self._steps = self._held = 0
        self._picture = np.zeros((self.height, self.width, 3), np.uint8)
        self.observation_space: spaces.Space[dict[str, Any]]
        self.observation_space, self.action_space = screen_spaces(self.embodiment, self.height, self.width)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Opens the page afresh, with the pointer at a place that is drawn too.

        MiniWoB draws from the seed itself, as its own environment does: the same seed gives the same problem there.

        Raises:
            InputError: the page cannot be opened, or hangs or crashes the browser while it loads.
        """
        super().reset(seed=seed)
        drawn, x, y = (int(self.np_random.integers(limit)) for limit in (2**32, self.width, self.height))
        self.task = self.tasks[self.np_random.integers(len(self.tasks))]
        self._steps, self._held, problem = 0, 0, ""
        for _ in range(ATTEMPTS):
            try:
                self._begin(drawn if seed is None else seed, x, y)
                return self._observe(), {"is_success": False, "crashed": False}
            except BrowserError as error:
                problem = " ".join(str(error).split())
                self.close()
        raise InputError(f"Browser: {self._urls[self.task]} could not be opened ({problem}), wanted a page that loads")

    def step(self, action: np.ndarray) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Acts for 0.1 s; an action outside its limits is clipped.

        Raises:
            InputError: an action of another shape, or not finite.
        """
        action = read_action(action, self.embodiment, "Browser")
        if self._page is None:
            raise gymnasium.error.ResetNeeded("Browser: step before reset, or after a crash")
        try:
            done, reward, events = self._act(self._page, action)
        except BrowserError:
            self.close()
            return self._observe(), 0.0, False, True, {"is_success": False, "crashed": True, "events": []}
        self._steps += 1
        self._held = self._held + 1 if done else 0
        earned = reward if done else 0.0
        info = {"is_success": earned > 0.0, "crashed": False, "events": events}
        return self._observe(), earned, self._held >= self.hold, False, info

    def evaluate(self, expression: str) -> Any:
        """Returns the value of a JavaScript expression in the page, for scripted experts and tests.

        Raises:
            BrowserError: it throws, or the browser hangs or has crashed.
        """
        if self._page is None:
            raise BrowserError("no page is open")
        return self._page.evaluate(expression)

    def render(self) -> UInt8[np.ndarray, "h w 3"]:
        """Returns what the observation shows."""
        return self._observe()["pixels"]

    def close(self) -> None:
        """Ends the browser and removes its profile; a later reset starts another."""
        self._page = None
        if self._browser is not None:
            self._browser.close()
            self._browser = None

    def _begin(self, seed: int, x: int, y: int) -> None:
        if self._page is not None:
            self._page.close()
            self._page = None
        if self._browser is None or not self._browser.close.alive:
            self._browser = Chromium(self._binary, self._timeout_s)
        self._page = Page(self._browser, self._urls[self.task], self.height, self.width, seed % 2**32)
        self.task_description = readable(self._page.evaluate(BEGIN.replace("SEED", str(seed))))
        self._hands = Hands(self.height, self.width)
        self._page.dispatch(self._hands.move(float(x), float(y)))
        self._picture = self._page.look()

    def _act(self, page: Page, action: np.ndarray) -> tuple[bool, float, list[PageEvent]]:
        commands, wheel = self._hands.act(action)
        x, y = self._hands.x, self._hands.y
        events: list[PageEvent] = []
        if commands or wheel != (0, 0):
            targets = page.evaluate(f"window.__targets?.({x}, {y})") or (None, None, None)
            events = page_events(commands, wheel, (x, y), targets, self._steps, TICK_MS)
        if commands:
            page.dispatch(commands)
        if wheel != (0, 0):
            page.evaluate(f"window.__wheel?.({x}, {y}, {wheel[0]}, {wheel[1]})")
        done, reward = page.advance(TICK_MS, JUDGE)
        self._picture = page.look()
        return bool(done), float(reward), events

    def _observe(self) -> dict[str, Any]:
        pixels = self._picture.copy()
        draw_pointer(pixels, self._hands.x, self._hands.y)
        return {"pixels": pixels, "agent_pos": self._place(), "text": self.task_description}

    def _place(self) -> Float32[np.ndarray, "2"]:
        return np.array([self._hands.x, self._hands.y], np.float32)
