"""Compares what a piece of code computes here with what another process computes."""

import subprocess
import sys


def assert_same_outside(code: str) -> None:
    """Runs code that ends in ``print(digest)`` in a process of its own and, without that line, in this one."""
    outside = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    inside: dict[str, int] = {}
    exec(code.replace("print(digest)", ""), inside)
    assert outside == f"{inside['digest']}\n"
