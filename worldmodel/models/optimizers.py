"""Optimisers: AdamW, or Muon for the matrices between hidden layers with AdamW for everything else."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def build_optimizer(
    network: nn.Module, name: str, learning_rate: float, weight_decay: float, precision: str = "float32"
) -> torch.optim.Optimizer:
    """Makes the optimiser called ``name`` ("adamw" or "muon"); gains, biases and embeddings get no weight decay.

    ``precision`` is that of Muon's products, see `worldmodel.models.precision`.
    """
    matrices = hidden_matrices(network)
    muon = {id(p) for p in matrices} if name == "muon" else set()
    rest = [p for p in network.parameters() if id(p) not in muon]
    groups = [
        {"params": [p for p in rest if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
    ]
    if not muon:
        return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.99), fused=True)
    return MuonAdamW(matrices, groups, learning_rate, weight_decay, dtype=getattr(torch, precision))


def hidden_matrices(network: nn.Module) -> list[nn.Parameter]:
    """Matrices of transformer layers, and kernels of convolutions between hidden layers (not to or from pictures)."""
    layers = getattr(network, "layers", nn.ModuleList())
    matrices = [p for p in layers.parameters() if p.ndim == 2 and min(p.shape) > 6]
    return matrices + [p for p in network.parameters() if p.ndim == 4 and min(p.shape[:2]) > 16]


class MuonAdamW(torch.optim.AdamW):
    """AdamW whose last group is stepped by Muon: momentum made orthogonal by a Newton-Schulz iteration.

    In float32 unless told otherwise: on CPUs without fast bfloat16 this is several times faster than torch.optim.Muon.
    A convolution's kernel counts as the matrix (out, in * height * width).
    Source: Jordan et al. 2024, "Muon"; scale 0.2 sqrt(max side) after Liu et al. 2025, "Muon is scalable", equation 4.

    Args:
        matrices: parameters for Muon.
        groups: parameter groups for AdamW.
        learning_rate: of both.
        weight_decay: of the matrices.
        momentum: of Muon.
        dtype: of the iteration's products.
    """

    def __init__(
        self,
        matrices: list[nn.Parameter],
        groups: list[dict],
        learning_rate: float,
        weight_decay: float,
        momentum: float = 0.95,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(groups, lr=learning_rate, betas=(0.9, 0.99), fused=True)
        self.add_param_group({"params": matrices, "weight_decay": weight_decay})
        self.momentum, self.dtype = momentum, dtype

    def __setstate__(self, state: dict) -> None:
        """As AdamW does, which expects a count of steps for each of its parameters: Muon's have none."""
        groups = state["param_groups"]
        super().__setstate__(state | {"param_groups": groups[:-1]})
        self.param_groups.append(groups[-1])

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        group = self.param_groups.pop()
        try:
            super().step()
        finally:
            self.param_groups.append(group)
        self._muon(group)
        return loss

    def _muon(self, group: dict) -> None:
        by_shape: dict[torch.Size, list[tuple[Tensor, Tensor]]] = {}
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            state = self.state[parameter]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(parameter)
            state["momentum"].lerp_(parameter.grad, 1.0 - self.momentum)
            update = parameter.grad.lerp(state["momentum"], self.momentum)
            by_shape.setdefault(parameter.shape, []).append((parameter, update))
        for shape, pairs in by_shape.items():
            updates = orthogonalise(torch.stack([update.flatten(1) for _, update in pairs]).to(self.dtype))
            scale = group["lr"] * 0.2 * max(updates.shape[1:]) ** 0.5
            for (parameter, _), update in zip(pairs, updates, strict=True):
                parameter.mul_(1.0 - group["lr"] * group["weight_decay"]).add_(update.reshape(shape), alpha=-scale)


def orthogonalise(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Brings all singular values of a stack of matrices (m, rows, columns) near 1."""
    wide = matrices.shape[1] <= matrices.shape[2]
    x = matrices if wide else matrices.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(iterations):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x if wide else x.mT
