"""Serves the page and carries games over WebSockets, to this machine only.

Other pages in the same browser are kept out: the Host must be a name of this machine (a rebound DNS name is not), and
a WebSocket's Origin must be the page that was served here.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from worldmodel.play import protocol
from worldmodel.play.lobby import Lobby
from worldmodel.play.saving import CLIPS, save_clip, save_dataset
from worldmodel.play.session import Session
from worldmodel.types import InputError

HOSTS = ["127.0.0.1", "localhost"]
PAGE = Path(__file__).parent / "static"
WRONG_ORIGIN, TRY_LATER, IDLE = 1008, 1013, 4408  # codes with which a WebSocket is closed
MAX_MESSAGE_BYTES = 65536


def make_app(lobby: Lobby) -> Starlette:
    """The web application around a lobby, which it closes when it is shut down."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        lobby.close()

    async def page(request: Request) -> Response:
        headers = {"Content-Security-Policy": "default-src 'self'; img-src 'self' data:", "Cache-Control": "no-cache"}
        return FileResponse(PAGE / "index.html", headers=headers)

    async def play(socket: WebSocket) -> None:
        await _play(socket, lobby)

    clips = lobby.folder / CLIPS
    routes = [
        Route("/", page),
        WebSocketRoute("/play", play),
        Mount("/static", StaticFiles(directory=PAGE)),
        Mount("/clips", StaticFiles(directory=clips, check_dir=False)),
    ]
    return Starlette(
        routes=routes, lifespan=lifespan, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)]
    )


async def _play(socket: WebSocket, lobby: Lobby) -> None:
    """One visitor, from coming to leaving."""
    if socket.headers.get("origin") != f"http://{socket.headers.get('host')}":
        await socket.close(WRONG_ORIGIN)  # before it is accepted: HTTP 403
        return
    await socket.accept()
    with contextlib.suppress(WebSocketDisconnect):
        if lobby.full:
            await _say(socket, "error", f"{lobby.limit} people are playing already; please try again later")
            await socket.close(TRY_LATER)
            return
        session = await lobby.enter()
        try:
            await socket.send_text(json.dumps(protocol.hello(session)))
            await socket.send_bytes(protocol.moment_message(session, 0.0))
            await _converse(socket, lobby, session)
        finally:
            lobby.leave(session)


async def _converse(socket: WebSocket, lobby: Lobby, session: Session) -> None:
    while True:
        try:
            text = await asyncio.wait_for(socket.receive_text(), lobby.idle_s)
        except TimeoutError:
            await socket.close(IDLE, "nothing was played for a while")
            return
        except KeyError:  # a binary message
            text = ""
        try:
            answer = await _answer(lobby, session, protocol.read_message(text or ""))
        except InputError as error:
            answer = {"type": "error", "message": " ".join(str(error).split())}
        if isinstance(answer, bytes):
            await socket.send_bytes(answer)
        else:
            await socket.send_text(json.dumps(answer))


async def _answer(lobby: Lobby, session: Session, message: dict[str, Any]) -> bytes | dict[str, Any]:
    if message["type"] == "clip":
        path = await lobby.write(lambda: save_clip(session, lobby.folder))
        return {"type": "clip", "path": str(path), "url": f"/{CLIPS}/{path.name}"}
    if message["type"] == "dataset":
        path, episodes, frames = await lobby.write(lambda: save_dataset(session, lobby.folder))
        return {"type": "dataset", "path": str(path), "episodes": episodes, "frames": frames}

    def carry_out() -> bytes:
        began = time.perf_counter()
        protocol.apply(session, message)
        return protocol.moment_message(session, 1000.0 * (time.perf_counter() - began))

    return await lobby.compute(carry_out)


async def _say(socket: WebSocket, kind: str, message: str) -> None:
    await socket.send_text(json.dumps({"type": kind, "message": message}))
