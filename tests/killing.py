"""Kill -9 at a chosen moment, in a forked process."""

import os
import signal
from collections.abc import Callable


def dies(action: Callable[[], object], prepare: Callable[[], object]) -> None:
    """Runs something in a forked process that has to kill itself (kill -9) before it finishes.

    Args:
        action: what is interrupted.
        prepare: called first, in the child only: puts a deadly step somewhere into the program.
    """
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a child that hangs ends, too, by another signal
        try:
            prepare()
            action()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the process was to die before it finished"
    assert os.WTERMSIG(status) == signal.SIGKILL
