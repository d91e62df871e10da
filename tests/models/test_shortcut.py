"""Large denoising steps that aim at where two half steps lead."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from tests.models import tiny
from worldmodel.models import sampling
from worldmodel.models.backbone import Backbone, Inputs, Outputs
from worldmodel.models.backbone_config import BackboneConfig
from worldmodel.models.flow import euler_step
from worldmodel.models.objective import ObjectiveConfig, dream_loss, total
from worldmodel.models.sampling import Rollout, clean_inputs
from worldmodel.models.shortcut import SIZES, sample_steps, shortcut_target, step_size

CONFIG = replace(tiny.CONFIG, shortcut=True)


class Shrink(Backbone):
    """Guesses that the data are a share of what it sees, and writes down which sizes of steps it was told."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.config = BackboneConfig(history=0)
        self.told: list[list[float]] = []

    def forward(self, inputs: Inputs) -> Outputs:
        assert inputs.step_size is not None
        self.told.append(inputs.step_size[0].tolist())
        return Outputs(0.7 * inputs.latents, inputs.actions, torch.zeros(*inputs.clock.shape, 2))


def noisy_inputs(frames: int = 4) -> tuple[Tensor, Inputs]:
    latents = torch.randn(1, frames, 4, 8, 4, generator=torch.Generator().manual_seed(0))
    inputs = clean_inputs(tiny.backbone(), latents, None, torch.tensor([0]))
    return torch.zeros_like(latents), replace(inputs, history=latents[..., :0], history_mask=torch.zeros(1, frames, 0))


def test_a_large_step_aims_at_the_end_of_two_half_steps() -> None:
    data, inputs = noisy_inputs()
    inputs.clock, inputs.step_size = torch.tensor([[1.0, 0.0, 0.5, 0.25]]), torch.tensor([[0.0, 1.0, 0.5, 0.25]])
    teacher = Shrink()
    target = shortcut_target(teacher, inputs, data, 0.0)
    torch.testing.assert_close(target[:, 0], data[:, 0])
    for frame, (now, size) in enumerate(((0.0, 1.0), (0.5, 0.5), (0.25, 0.25)), 1):
        x = inputs.latents[:, frame]
        middle = euler_step(x, 0.7 * x, now, now + size / 2)
        end = euler_step(middle, 0.7 * middle, now + size / 2, now + size) if now + size < 1 else 0.7 * middle
        torch.testing.assert_close(euler_step(x, target[:, frame], now, now + size), end)
    # Half of the smallest step is an ordinary one.
    assert teacher.told == [[0.0, 0.5, 0.25, 0.0]] * 2


def test_who_always_knows_the_data_is_aimed_at_the_data() -> None:
    data, inputs = noisy_inputs()
    inputs.clock, inputs.step_size = torch.tensor([[0.0, 0.0, 0.5, 0.75]]), torch.tensor([[1.0, 0.5, 0.5, 0.25]])

    class Oracle(Shrink):
        def forward(self, inputs: Inputs) -> Outputs:
            return replace(super().forward(inputs), latents=data)

    target = shortcut_target(Oracle(), inputs, data, 0.0)
    torch.testing.assert_close(target, data, atol=1e-5, rtol=0)


def test_whole_numbers_of_steps_lead_to_the_end() -> None:
    torch.manual_seed(0)
    size, time = sample_steps((1000,))
    assert set(size.tolist()) == set(SIZES)
    left = (1.0 - time) / size
    assert (left == left.round()).all()
    assert left.min() == 1.0
    assert time.min() == 0.0


@pytest.mark.parametrize(("steps", "size"), [(1, 1.0), (2, 0.5), (4, 0.25), (3, 0.0), (8, 0.0)])
def test_sizes_that_were_never_learnt_pass_for_small_ones(steps: int, size: float) -> None:
    assert step_size(steps) == size


def test_distilling_reaches_the_clock_of_large_steps() -> None:
    network, config = tiny.backbone(CONFIG), ObjectiveConfig(own_history=0.5)
    torch.manual_seed(0)
    total(dream_loss(network, tiny.batch(), config, teacher=network), config).backward()
    gradients = [parameter.grad for parameter in network.step_clock.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    assert max(float(gradient.abs().max()) for gradient in gradients if gradient is not None) > 0


def test_a_rollout_tells_the_size_of_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    network = tiny.backbone(CONFIG).requires_grad_(False)
    latents = torch.randn(1, 3, 4, 8, 4)

    def dream(steps: int) -> Tensor:
        rollout = Rollout(network, torch.tensor([0]), 0.05, [0])
        rollout.observe(latents)
        return rollout.dream(None, steps)

    large, small = dream(2), dream(8)
    monkeypatch.setattr(sampling, "step_size", lambda steps: 0.0)
    assert (dream(2) - large).abs().max() > 1e-4
    torch.testing.assert_close(dream(8), small, atol=0, rtol=0)
