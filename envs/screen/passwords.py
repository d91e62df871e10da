"""Password fields of a Chromium browser that was started with ``--remote-debugging-port``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any
from urllib.request import urlopen

from websockets.sync.client import ClientConnection, connect

from envs.screen.clock import NS, now_ns
from envs.screen.rects import Rect
from envs.screen.timeline import Timeline
from worldmodel.types import InputError

SCRIPT = Path(__file__).with_name("passwords.js")
WORLD, BINDING = "recorder", "touched"
PERIOD_S = 0.08
ANSWER_S = 1.0  # a page that takes longer may have any field
PATIENCE_S = 5.0
PADDING_PX = 6  # of a field's frame and glow


@dataclass(frozen=True)
class Fields:
    """Password fields at a moment.

    Attributes:
        secret: what is typed goes to one of them; or nobody knows.
        hidden: where they lie on the screen, by a number of their own.
        unknown: a page did not say.
    """

    secret: bool = False
    hidden: Mapping[tuple[Any, ...], Rect] = field(default_factory=dict)
    unknown: bool = False


class PasswordWatcher:
    """Looks from `start` to `stop`; a browser that ends has no fields, one that is started again is looked at again.

    Args:
        port: of the browser's DevTools on this machine.

    Attributes:
        fields: what was seen.

    Raises:
        InputError: no browser answers there.
    """

    def __init__(self, port: int) -> None:
        self.fields: Timeline[Fields] = Timeline()
        self._port, self._stopped = port, Flag()
        if self._address() is None:
            wanted = f"a Chromium started with --remote-debugging-port={port}"
            raise InputError(f"record: no browser answers at port {port}, wanted {wanted}")
        self._thread = Thread(target=self._watch, name="passwords", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(PATIENCE_S)

    def _address(self) -> str | None:
        """Where the browser itself listens; None where there is none."""
        try:
            with urlopen(f"http://127.0.0.1:{self._port}/json/version", timeout=ANSWER_S) as answer:
                return json.load(answer)["webSocketDebuggerUrl"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _watch(self) -> None:
        while not self._stopped.wait(PERIOD_S):
            asked_ns, address = now_ns(), self._address()
            if address is None:
                self.fields.add(asked_ns, now_ns(), Fields())
                continue
            try:
                with connect(address, max_size=None, open_timeout=ANSWER_S, close_timeout=ANSWER_S) as connection:
                    pages = Pages(connection)
                    while not self._stopped.wait(PERIOD_S):
                        asked_ns = now_ns()
                        fields = pages.look()
                        self.fields.add(asked_ns, now_ns(), fields)
            except Exception:  # a browser that ends or hangs; until it is known which, there may be any field
                self.fields.add(asked_ns, now_ns(), Fields(secret=True, unknown=True))


class Pages:
    """All frames of all pages of a browser, through one connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection, self._number = connection, 0
        self._frames: set[tuple[str, int]] = set()  # session and context of our script
        self._talking: set[str] = set()  # sessions with an open dialog, which answer nothing and take no password
        self._touched = False
        self._waiting: set[int] = set()
        self._answers: dict[int, Any] = {}
        self._attach(None)
        self.look()

    def look(self) -> Fields:
        """Asks every frame; any exception means that the browser is gone or talks nonsense."""
        self._touched = False
        asked = {
            self._send("Runtime.evaluate", session, expression="look()", contextId=context, returnByValue=True): frame
            for frame in sorted(self._frames)
            for session, context in [frame]
            if session not in self._talking
        }
        self._waiting = set(asked)
        self._answers = {}
        self._read(ANSWER_S)
        secret, hidden = self._touched, {}
        late = {number for number in self._waiting if asked[number] in self._frames}
        for number, answer in self._answers.items():
            value = answer.get("result", {}).get("result", {}).get("value") or {"secret": False, "seen": []}
            secret = secret or value["secret"]
            for index, *edges in value["seen"]:
                rect = Rect(*(round(edge) for edge in edges)).grown(PADDING_PX)
                hidden[(*asked[number], index)] = rect
        return Fields(secret or bool(late), hidden, bool(late))

    def _read(self, seconds: float) -> None:
        """Takes messages until all answers are there or the time is over; a moment more for other news."""
        end_ns = now_ns() + round(seconds * NS)
        while True:
            rest_s = (end_ns - now_ns()) / NS if self._waiting else 0.001
            try:
                message = json.loads(self._connection.recv(timeout=max(rest_s, 0.0)))
            except TimeoutError:
                return
            if "id" in message:
                if message["id"] in self._waiting:
                    self._waiting.discard(message["id"])
                    self._answers[message["id"]] = message
            else:
                self._take(message["method"], message["params"], message.get("sessionId", ""))

    def _take(self, method: str, params: Mapping[str, Any], session: str) -> None:
        if method == "Target.attachedToTarget":
            self._attach(params["sessionId"])
        elif method == "Target.detachedFromTarget":
            self._frames = {frame for frame in self._frames if frame[0] != params["sessionId"]}
        elif method == "Runtime.executionContextCreated" and params["context"]["name"] == WORLD:
            self._frames.add((session, params["context"]["id"]))
        elif method == "Runtime.executionContextDestroyed":
            self._frames.discard((session, params["executionContextId"]))
        elif method == "Runtime.executionContextsCleared":
            self._frames = {frame for frame in self._frames if frame[0] != session}
        elif method == "Runtime.bindingCalled" and params["name"] == BINDING:
            self._touched = True
        elif method == "Page.javascriptDialogOpening":
            self._talking.add(session)
        elif method == "Page.javascriptDialogClosed":
            self._talking.discard(session)

    def _attach(self, session: str | None) -> None:
        """Makes the browser (no session) or a page tell of what is within, and brings our script into every frame."""
        self._send("Target.setAutoAttach", session, autoAttach=True, waitForDebuggerOnStart=False, flatten=True)
        if session is None:
            return
        self._send("Runtime.enable", session)
        self._send("Runtime.addBinding", session, name=BINDING, executionContextName=WORLD)
        self._send("Page.enable", session)
        script = {"source": SCRIPT.read_text(), "worldName": WORLD, "runImmediately": True}
        self._send("Page.addScriptToEvaluateOnNewDocument", session, **script)

    def _send(self, method: str, session: str | None, **params: Any) -> int:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        self._connection.send(json.dumps(message | ({"sessionId": session} if session else {})))
        return self._number
