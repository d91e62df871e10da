"""A process that has imported what recording takes, and from which workers are forked in an instant.

Importing torch and lerobot costs a process some twelve seconds of computing; every worker would pay them again. This
one process pays them for all, while the one that asked for it imports the same for itself.
"""

from multiprocessing import forkserver

IMPORTED = ("policies.workers", "lerobot.datasets.lerobot_dataset")


def start_forkserver() -> None:
    """Starts it, and returns at once; it ends with this process. One that runs already stays.

    It imports nothing that draws: OpenGL does not outlive a fork.
    """
    forkserver.set_forkserver_preload(list(IMPORTED))
    forkserver.ensure_running()
