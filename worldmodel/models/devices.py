"""Where networks are worked with."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def on_accelerator(network: nn.Module) -> Iterator[None]:
    """Within, a network is on this machine's GPU, if there is one; afterwards on the CPU again."""
    if not torch.accelerator.is_available():
        yield
        return
    network.to(torch.accelerator.current_accelerator())
    try:
        yield
    finally:
        network.cpu()
