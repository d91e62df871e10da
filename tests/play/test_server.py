import gc
import json
import socket
import struct
import threading
import urllib.error
import urllib.request
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.models import tiny
from tests.play.serving import serving, wait_until
from tests.play.toy import HEIGHT, WIDTH, game
from worldmodel.play.lobby import Lobby
from worldmodel.play.session import Session

PICTURE_BYTES = HEIGHT * WIDTH * 3
STEP = {"type": "step", "action": [20.0, 20.0], "steps": 1}


class Place:
    """A lobby that remembers, weakly, whom it let in."""

    def __init__(self, folder: Path, **options: Any) -> None:
        model = tiny.model(HEIGHT, WIDTH)
        self.sessions: list[weakref.ref[Session]] = []

        def open_session() -> Session:
            session = game(model)
            self.sessions.append(weakref.ref(session))
            return session

        self.lobby = Lobby(open_session, folder, **options)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, limit=2)


@pytest.fixture
def address(place: Place) -> Iterator[str]:
    with serving(place.lobby) as found:
        yield found


def visit(address: str) -> ClientConnection:
    return connect(f"ws://{address}/play", origin=f"http://{address}", compression=None)  # pyright: ignore


def moment(message: str | bytes) -> tuple[dict[str, Any], np.ndarray]:
    assert isinstance(message, bytes)
    (size,) = struct.unpack_from("<I", message)
    header = json.loads(message[4 : 4 + size])
    return header, np.frombuffer(message, np.uint8, offset=4 + size).reshape(-1, HEIGHT, WIDTH, 3)


def ask(client: ClientConnection, message: Any) -> str | bytes:
    client.send(message if isinstance(message, bytes | str) else json.dumps(message))
    return client.recv()


def test_a_game(address: str) -> None:
    with visit(address) as client:
        hello = json.loads(client.recv())
        assert (hello["height"], hello["width"], hello["points"]) == (HEIGHT, WIDTH, [[0, 1]])
        header, pictures = moment(client.recv())
        assert (header["at"], len(pictures)) == (0, 2)
        header, pictures = moment(ask(client, STEP))
        assert (header["at"], header["action"]) == (1, [20.0, 20.0])
        assert not np.array_equal(*pictures)
        assert moment(ask(client, {"type": "step", "action": None}))[0]["length"] == 3
        assert moment(ask(client, {"type": "seek", "frame": 1}))[0]["at"] == 1
        assert moment(ask(client, STEP))[0]["length"] == 3
        assert moment(ask(client, {"type": "start", "number": 4}))[0]["number"] == 4
        clip = json.loads(ask(client, {"type": "clip"}))
    with urllib.request.urlopen(f"http://{address}{clip['url']}") as film:
        assert film.read()[4:8] == b"ftyp"


WRONG = ["no json", "[]", b"\x00", "[" * 30000, '{"type": "dance"}', '{"type": "step", "action": "up"}']
WRONG += [
    '{"type": "step", "action": [1]}',
    '{"type": "step", "action": [1' + 400 * "0" + ", 1]}",
    '{"type": "seek", "frame": 1.5}',
    '{"type": "seek", "frame": 9}',
]
WRONG += ['{"type": "step", "action": [1e999, 0]}', '{"type": "start", "number": 99999999999}', '{"type": "dataset"}']


def test_what_is_wrong_is_answered_and_the_game_goes_on(address: str) -> None:
    with visit(address) as client:
        client.recv(), client.recv()
        for message in WRONG:
            answer = json.loads(ask(client, message))
            assert answer["type"] == "error", message
            assert answer["message"]
        assert moment(ask(client, STEP))[0]["at"] == 1


def test_the_page_and_its_parts(address: str) -> None:
    for path in ("/", "/static/play.js", "/static/play.css"):
        with urllib.request.urlopen(f"http://{address}{path}") as answer:
            assert answer.status == 200


@pytest.mark.parametrize("origin", [None, "http://elsewhere.example", "null", "http://127.0.0.1:1"])
def test_other_pages_are_refused(address: str, place: Place, origin: str | None) -> None:
    with pytest.raises(InvalidStatus, match="403"), connect(f"ws://{address}/play", origin=origin):  # pyright: ignore
        pass
    assert place.sessions == []


def test_other_names_of_this_machine_are_refused(address: str) -> None:
    request = urllib.request.Request(f"http://{address}/", headers={"Host": "rebound.example"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request)


def test_too_many_are_told_to_come_later(address: str, place: Place) -> None:
    with visit(address) as one, visit(address) as two:
        one.recv(), two.recv()
        with visit(address) as late:
            assert "2 people are playing already" in json.loads(late.recv())["message"]
            with pytest.raises(ConnectionClosed) as closed:
                late.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1013
    wait_until(lambda: place.lobby.count == 0)
    with visit(address) as again:
        assert json.loads(again.recv())["type"] == "hello"


def test_who_does_nothing_is_sent_away(tmp_path: Path) -> None:
    place = Place(tmp_path, idle_s=0.05)
    with serving(place.lobby) as address, visit(address) as client:
        client.recv(), client.recv()
        with pytest.raises(ConnectionClosed) as closed:
            client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4408
        wait_until(lambda: place.lobby.count == 0)


def test_twenty_of_whom_half_vanish_leave_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path, limit=20)
    with serving(place.lobby) as address:
        with visit(address) as client:  # the threads that stay are there from now on
            client.recv(), client.recv(), ask(client, STEP)
        wait_until(lambda: place.lobby.count == 0)
        threads, files = threading.active_count(), open_files()
        with ExitStack() as stack:
            clients = [stack.enter_context(visit(address)) for _ in range(20)]
            for index, client in enumerate(clients):
                if index % 4 < 3:  # the others do not even wait for the greeting
                    client.recv(), client.recv()
                client.send(json.dumps(STEP))
                if index % 2:
                    client.close()
                else:
                    vanish(client)
        wait_until(lambda: place.lobby.count == 0)
        del client, clients, stack
        wait_until(lambda: gc.collect() >= 0 and all(seen() is None for seen in place.sessions))
        wait_until(lambda: threading.active_count() <= threads)
        wait_until(lambda: open_files() <= files)
    assert len(place.sessions) == 21


def vanish(client: ClientConnection) -> None:
    """Goes without a word: the connection is reset."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.shutdown(socket.SHUT_RDWR)
    client.socket.close()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
