import socket
from pathlib import Path

import pytest
import uvicorn

from tests.commands.running import run
from worldmodel.commands.play import opener
from worldmodel.types import InputError


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses at which a server was started, which ends at once."""
    addresses = []

    def serve(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        addresses.append("http://{}:{}".format(*sockets[0].getsockname()))
        sockets[0].close()

    monkeypatch.setattr(uvicorn.Server, "run", serve)
    return addresses


def test_it_says_where_and_opens_the_browser(
    tiny: Path, output: Path, served: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    words = ("play", "--checkpoint", tiny, "--port", 0, "--sessions", 1, "--output", output)
    assert run(*words) == 0
    assert opened == []
    assert run(*words, "--open") == 0
    assert opened == served[1:]
    assert served[0].startswith("http://127.0.0.1:")
    assert served[0] in capsys.readouterr().out


def test_environments_and_recordings(tiny: Path, recordings: Path) -> None:
    session = opener(str(tiny), "PushT-v0", None)()
    assert session.real is not None
    session.close()
    assert len(opener(str(tiny), None, str(recordings))().now.dream) == 32


def test_mistakes(tiny: Path, output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert run("play", "--checkpoint", tiny, "--port", taken.getsockname()[1], "--output", output) == 2
    assert "in use" in capsys.readouterr().err
    assert run("play", "--checkpoint", tiny, "--port", 99999, "--output", output) == 2
    assert "port 99999" in capsys.readouterr().err
    with pytest.raises(InputError, match="both --env and --data"):
        opener(str(tiny), "PushT-v0", "recordings")
    with pytest.raises(InputError, match="is unknown"):
        opener(str(tiny), "Nope", None)
    assert not output.exists()
