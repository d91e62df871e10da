"""The priority of processes that an environment starts."""

import os
import sys


def leave_real_time() -> None:
    """Gives this thread the priority of everybody, for the children that inherit it.

    SVT-AV1, with which LeRobot writes videos, leaves root's thread at real-time priority: a browser or a screen that
    inherits it takes all cores for itself.
    """
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
