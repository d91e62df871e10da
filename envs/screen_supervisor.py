"""Runs an X server and the programs on its screen, and leaves nothing of them behind: a script, in its own process.

    python -I screen_supervisor.py FOLDER SERVER [ARGUMENT ...]

It says ``screen NUMBER`` when the server is there, takes lists of words (JSON, one a line) as programs to start, and
says ``ended INDEX STATUS`` when the program of that index (from 1; the server: 0) is no more; a negative status is a
signal. It ends with its standard input, which is when its owner closes it or is no more, or with the server: then it
kills everything that anything below it has started, ends the server and removes the folder.
"""

import ctypes
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

SET_DEATH_SIGNAL, SET_SUBREAPER = 1, 36  # of prctl
POLL_S = 0.02
PATIENCE_S = 2.0  # for a server to end by itself
LIBC = ctypes.CDLL(None)


def main(folder: str, *server: str) -> None:
    """Runs a server until it is told to end."""
    # Whoever loses its parent becomes a child of this process.
    LIBC.prctl(SET_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    reading, writing = os.pipe()
    screen = start([*server, "-displayfd", str(writing)], signal.SIGTERM, writing)
    os.close(writing)
    number = ""
    try:
        with os.fdopen(reading) as told:
            number = told.readline().strip()
        if number:
            os.environ["DISPLAY"] = f":{number}"
            say("screen", number)
            serve(screen)
    finally:
        end_all(screen.pid, number)
        shutil.rmtree(folder, ignore_errors=True)


def start(words: list[str], death_signal: int, *descriptors: int) -> subprocess.Popen[bytes]:
    """Starts a program, which is sent a signal should this process be killed."""
    return subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=descriptors,
        start_new_session=True,
        preexec_fn=lambda: LIBC.prctl(SET_DEATH_SIGNAL, death_signal),
    )


def serve(screen: subprocess.Popen[bytes]) -> None:
    """Starts what it is told to and tells what ended, until the input or the server ends."""
    started, unread = [screen], b""
    while screen.pid in children():
        if select.select([0], [], [], POLL_S)[0]:
            if not (got := os.read(0, 2**16)):
                return
            *lines, unread = (unread + got).split(b"\n")
            started += [start(json.loads(line), signal.SIGKILL) for line in lines]
        for pid, status in reap():
            for index, program in enumerate(started):
                if program.pid == pid:
                    say("ended", index, status)


def reap() -> list[tuple[int, int]]:
    """Takes leave of the children that ended; returns their numbers and statuses."""
    ended = []
    while children():
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            break
        ended.append((pid, os.waitstatus_to_exitcode(status)))
    return ended


def children() -> list[int]:
    """Numbers of the processes whose parent this is."""
    return [int(word) for word in Path("/proc/thread-self/children").read_text().split()]


def end_all(screen: int, number: str) -> None:
    """Kills all but the server, with what they leave behind, and then ends the server."""
    while others := [pid for pid in children() if pid != screen]:
        for pid in others:
            os.kill(pid, signal.SIGKILL)
        for pid in others:
            os.waitpid(pid, 0)
    end_s = time.monotonic() + PATIENCE_S
    if screen in children():
        os.kill(screen, signal.SIGTERM)
        while not reap():
            if time.monotonic() > end_s:
                os.kill(screen, signal.SIGKILL)
            time.sleep(POLL_S)
    remove_socket(Path(f"/tmp/.X11-unix/X{number}"))


def remove_socket(path: Path) -> None:
    """Removes what a server that was killed leaves, unless another server has taken its number."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        except FileNotFoundError:
            pass


def say(*words: object) -> None:
    """Tells the owner."""
    print(*words, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
