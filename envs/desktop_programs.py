"""Programs of a desktop: which there are, and the sandbox that they run in."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from envs.chromium import NO_NETWORK
from worldmodel.types import InputError

BROWSER_FLAGS = (
    *NO_NETWORK,
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-crash-reporter",
    "--disable-breakpad",
    "--disable-extensions",
    "--mute-audio",
    "--no-first-run",
    "--password-store=basic",
    "--test-type",  # says nothing about the flags above
)
KINDS: Mapping[str, tuple[str, ...]] = {
    "terminal": ("xterm",),
    "editor": ("l3afpad",),
    "files": ("pcmanfm",),
    "browser": ("chromium", *BROWSER_FLAGS),
}
PACKAGES = {"Xvfb": "xvfb", "bwrap": "bubblewrap"}  # of Debian, where they are not called like the program
MANAGER = "jwm"
STYLE = """<JWM>
<Desktops width="1" height="1"><Background type="solid">#3A5A6A</Background></Desktops>
<FocusModel>click</FocusModel>
<MoveMode>opaque</MoveMode>
<ResizeMode>opaque</ResizeMode>
<Key mask="A" key="Tab">nextstacked</Key>
</JWM>
"""
PROMPT = "PS1='\\w\\$ '\n"


def find_program(name: str, where: str) -> str:
    """Returns the path of a program.

    Raises:
        InputError: it is not installed.
    """
    if found := shutil.which(name):
        return found
    raise InputError(
        f"{where}: {name} is not installed, wanted it: apt-get install {PACKAGES.get(name, name)} (Debian)"
    )


def read_programs(programs: str | Sequence[str], where: str) -> list[list[str]]:
    """Returns the words of command lines.

    Args:
        programs: one or several; the first word is a kind, one of `KINDS`, or a program of this machine.
        where: named in the error.

    Raises:
        InputError: none, quotes that do not end, or a program that is not installed.
    """
    lines = [programs] if isinstance(programs, str) else list(programs)
    try:
        split = [shlex.split(line) for line in lines]
    except ValueError as error:
        raise InputError(f"{where}: programs {lines} ({error}), wanted command lines") from error
    if not split or not all(split):
        raise InputError(f"{where}: programs {lines}, wanted command lines, or some of: {', '.join(KINDS)}")
    return [_command(words, where) for words in split]


def _command(words: list[str], where: str) -> list[str]:
    kind, *more = words
    if kind in KINDS:
        program, *flags = KINDS[kind]
        return [find_program(program, where), *flags, *more]
    if found := shutil.which(kind):
        return [found, *more]
    raise InputError(f"{where}: program {kind!r} is not installed, wanted one that is, or of: {', '.join(KINDS)}")


def environment() -> dict[str, str]:
    """Returns variables for programs: nothing of this process but the search path."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "SHELL": "/bin/bash" if Path("/bin/bash").exists() else "/bin/sh",
        "GSETTINGS_BACKEND": "memory",
        "DBUS_SESSION_BUS_ADDRESS": "disabled:",
        "NO_AT_BRIDGE": "1",
    }


def furnish(home: Path) -> list[str]:
    """Puts into a home what programs look for there; returns the words that start the window manager."""
    (home / ".tmp").mkdir(mode=0o700)
    (home / ".bashrc").write_text(PROMPT)
    (home / ".jwmrc").write_text(STYLE)
    return [find_program(MANAGER, "Desktop"), "-f", str(home / ".jwmrc")]


def sandboxed(words: Sequence[str], home: Path) -> list[str]:
    """Returns the words that start a program in its home, in a sandbox where this machine permits one.

    There it has no network, sees no process but its own, and can write nothing but its home.
    """
    temporary = str(home / ".tmp")
    inside = ["env", f"--chdir={home}", f"TMPDIR={temporary}", f"XDG_RUNTIME_DIR={temporary}", *words]
    if sandbox_problem():
        return inside
    return [*SANDBOX, "--bind", str(home), str(home), *inside]


SANDBOX = (
    *("bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/run"),
    *("--unshare-net", "--unshare-pid", "--die-with-parent"),
)


@cache
def sandbox_problem() -> str:
    """Returns why there can be no sandbox on this machine; nothing where there can be one."""
    done = subprocess.run([*SANDBOX, "true"], capture_output=True, text=True)
    return "" if done.returncode == 0 else " ".join(done.stderr.split()) or f"status {done.returncode}"
