"""One page in a browser, whose time passes when it is told to."""

import base64
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

from envs.chromium import BrowserError, Chromium, RefusedError
from worldmodel.types import InputError

SCRIPT = (Path(__file__).parent / "assets/page.js").read_text()
PICTURE = {"format": "png", "optimizeForSpeed": True}
FRAME_US = 1
"""Time from frame to frame for what the browser itself moves, such as a page whose scroll bar is held: next to none."""
CLEAR_CLIPBOARD = """
document.addEventListener("copy", (event) => { event.clipboardData.setData("text/plain", ""); event.preventDefault(); },
  { once: true, capture: true });
document.execCommand("copy");
"""


class Page:
    """A page in a fresh context of a browser: nothing of pages before is left, neither storage nor clipboard.

    Args:
        browser: that shows it.
        url: what to open; this returns when it is loaded.
        height: of the page's window, in px.
        width: of it.
        seed: of what ``Math.random`` draws.

    Raises:
        InputError: the address cannot be opened.
        BrowserError: the browser hangs or crashes.
    """

    def __init__(self, browser: Chromium, url: str, height: int, width: int, seed: int) -> None:
        self._browser, self._frame_us = browser, time.monotonic_ns() // 1000
        self._context = browser.call("Target.createBrowserContext")["browserContextId"]
        browser.post("Browser.setDownloadBehavior", behavior="deny", browserContextId=self._context)
        options = {"browserContextId": self._context, "enableBeginFrameControl": True}
        made = browser.call("Target.createTarget", url="about:blank", width=width, height=height, **options)
        attached = browser.call("Target.attachToTarget", targetId=made["targetId"], flatten=True)
        self._session: str = attached["sessionId"]
        for domain in ("Page", "Runtime", "Inspector", "HeadlessExperimental"):
            self._post(f"{domain}.enable")
        self._post("Page.setInterceptFileChooserDialog", enabled=True)
        self._post("Emulation.setFocusEmulationEnabled", enabled=True)
        self._call("Page.addScriptToEvaluateOnNewDocument", source=SCRIPT.replace("SEED", str(seed)))
        self._call("Page.setLifecycleEventsEnabled", enabled=True)
        opened = self._call("Page.navigate", url=url)
        if problem := opened.get("errorText"):
            raise InputError(f"Browser: {url} cannot be opened ({problem})")
        self._loads: set[str] = {opened["frameId"]}  # frames that load
        self._wait_until_loaded(opened["loaderId"])
        self.evaluate(CLEAR_CLIPBOARD)

    def evaluate(self, expression: str) -> Any:
        """Returns the value of a JavaScript expression (of what a promise becomes), as far as JSON can say it.

        Raises:
            BrowserError: it throws, or as `Chromium.wait`.
        """
        options = {"awaitPromise": True, "returnByValue": True, "userGesture": True}
        answer = self._call("Runtime.evaluate", expression=expression, **options)
        if problem := answer.get("exceptionDetails"):
            raise BrowserError(f"JavaScript: {problem.get('exception', {}).get('description') or problem.get('text')}")
        return answer["result"].get("value")

    def dispatch(self, events: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Lets mouse and keyboard act in this order, and waits until the page has dealt with it; no time passes.

        Args:
            events: commands, such as ``"Input.dispatchMouseEvent"``, with their parameters.

        Raises:
            BrowserError: the page does not deal with them.
        """
        for method, parameters in events:
            number = self._post(method, **parameters)
            if method == "Input.dispatchMouseEvent":
                self._draw_until_answered(number)
            self._browser.wait(number)
            self._settle()
        self.draw()  # what is below the pointer may have changed: the page hears of that at the next frame

    def advance(self, milliseconds: float, expression: str) -> Any:
        """Lets time pass: timers ring and animation frames are called, in their order.

        Returns:
            The value of a JavaScript expression after that.
        """
        advancing = f"Promise.resolve(window.__advance?.({json.dumps(milliseconds)})).then(() => {expression})"
        try:
            value = self.evaluate(advancing)
        except RefusedError:  # the page went elsewhere
            self._wait_until_loaded()
            value = self.evaluate(expression)
        self._settle()
        self.draw()  # as above
        return value

    def draw(self) -> None:
        """Makes a frame that nobody sees."""
        self._frame()

    def look(self) -> UInt8[np.ndarray, "h w 3"]:
        """Makes a frame, and returns it as a picture."""
        data = self._frame(screenshot=PICTURE).get("screenshotData")
        picture = data and cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise BrowserError("the browser shows no picture")
        return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)

    def close(self) -> None:
        """Closes it; a browser that is gone has done so."""
        try:
            self._browser.call("Target.disposeBrowserContext", browserContextId=self._context)
        except BrowserError:
            self._browser.close()

    def _settle(self) -> None:
        """Lets the page do what an event leaves for later, which the next event would overtake, and load others."""
        with suppress(RefusedError):  # the page went elsewhere
            self._call("Runtime.evaluate", expression="window.__settle?.()", awaitPromise=True)
        self._wait_until_loaded()

    def _draw_until_answered(self, number: int) -> None:
        """Makes frames, which the mouse waits for: more or less of them change nothing, as no time passes."""
        end = time.monotonic() + self._browser.timeout_s
        self.draw()
        while not self._browser.answered(number):
            if time.monotonic() > end:
                raise BrowserError("the page does not deal with the mouse")
            self.draw()

    def _wait_until_loaded(self, loader: str = "") -> None:
        """Waits for frames that load something, or until the document of a loader is there."""
        end = time.monotonic() + self._browser.timeout_s
        while True:
            for event in self._browser.take_events():
                name, told = event["method"], event["params"]
                if name == "Page.frameStartedLoading":
                    self._loads.add(told["frameId"])
                elif name in ("Page.frameStoppedLoading", "Page.frameDetached"):
                    self._loads.discard(told["frameId"])
                elif name == "Page.lifecycleEvent" and told["name"] == "load" and told["loaderId"] == loader:
                    loader = ""
            if not self._loads and not loader:
                return
            self._browser.wait_for_more(end)

    def _frame(self, **parameters: Any) -> dict[str, Any]:
        """Makes a frame; its time, which the browser cuts to whole us, has to be later than that of the one before."""
        self._frame_us += FRAME_US
        times = {"frameTimeTicks": (self._frame_us + 0.5) / 1000, "interval": FRAME_US / 1000}
        return self._call("HeadlessExperimental.beginFrame", **times, **parameters)

    def _post(self, method: str, **parameters: Any) -> int:
        return self._browser.post(method, self._session, **parameters)

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **parameters)
