"""Pages to act in: those of MiniWoB++, and others of this machine.

Source: Liu et al. 2018, "Reinforcement Learning on Web Interfaces using Workflow-Guided Exploration"; the HTML comes
with the package ``miniwob``, of which nothing else is used.
"""

from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from envs.extras import require
from worldmodel.types import InputError

LOOPBACK = ("localhost", "127.0.0.1", "::1")
SHOWN = 5


def find_page(task: str, where: str) -> str:
    """Returns the address of a task's page.

    Args:
        task: of MiniWoB++, such as ``"click-test"``; or the address of any page of this machine, ``"file:///..."`` or
            ``"http://localhost..."``.
        where: named in the error.

    Raises:
        InputError: no such task or file, an address elsewhere, or MiniWoB++ is not installed.
    """
    if "://" in task:
        return _check_address(task, where)
    known = task_names(where)
    if task not in known:
        near = get_close_matches(task, known, SHOWN, cutoff=0.3) or known[:SHOWN]
        wanted = f"wanted one of MiniWoB++'s {len(known)}, such as {', '.join(near)}; or file:// or http://localhost"
        raise InputError(f"{where}: task {task!r} is unknown, {wanted}")
    return (_pages(where) / f"{task}.html").as_uri()


def task_names(where: str) -> list[str]:
    """Returns the names of MiniWoB++'s tasks, in alphabetical order.

    Raises:
        InputError: it is not installed.
    """
    return sorted(path.stem for path in _pages(where).glob("*.html"))


def _pages(where: str) -> Path:
    """The folder of the pages, found without the import of the package, which brings another browser driver."""
    require("miniwob", "browser", where)
    spec = find_spec("miniwob")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "html/miniwob"


def _check_address(task: str, where: str) -> str:
    try:
        parts = urlsplit(task)
        host = parts.hostname or ""
    except ValueError as error:
        raise InputError(f"{where}: task {task!r} is no address ({error})") from error
    if parts.scheme == "file" and host in ("", "localhost"):
        if not Path(unquote(parts.path)).is_file():
            raise InputError(f"{where}: task {task!r}: no such file, wanted an HTML file")
    elif parts.scheme not in ("http", "https") or host not in LOOPBACK:
        raise InputError(f"{where}: task {task!r} is elsewhere, wanted file:// or http://localhost")
    return task
