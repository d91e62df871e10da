"""The same dreams by other engines."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.models import tiny
from worldmodel.models.world_model import WorldModel
from worldmodel.types import InputError


def make() -> WorldModel:
    model = tiny.model(32, 32)
    config = replace(model.config, backbone=replace(model.config.backbone, time_attention="position"))
    other = WorldModel(config, model.embodiments)
    other.load_state_dict(model.state_dict())
    return other.eval().requires_grad_(False)


@torch.no_grad()
def dreams(model: WorldModel) -> Tensor:
    """Two dreams of six frames, the second of which starts anew half way."""
    config = model.config
    side, size = config.height // config.tokenizer.downsample, model.backbone.action_size
    generator = torch.Generator().manual_seed(0)
    seen = torch.randn(2, 3, side, side, config.tokenizer.channels, generator=generator)
    actions = torch.rand(6, 2, size, generator=generator)
    rollout = model.rollout(2)
    rollout.observe(seen)
    frames = []
    for step, action in enumerate(actions):
        if step == 3:
            rollout.restart(torch.tensor([1]), seen[1:, :2], None, [5])
        frames.append(rollout.dream(action, 2))
    assert rollout.readout is not None
    return torch.cat([torch.stack(frames).flatten(), rollout.readout.flatten()])


def compare_compiled() -> None:
    model = make()
    expected = dreams(model)
    model.use_engine("compiled")
    torch.testing.assert_close(dreams(model), expected, rtol=1e-5, atol=1e-5)


def test_compiled_is_the_same():
    # In a process of its own: types are checked in this one, by code that torch.compile cannot read.
    program = "from tests.models import test_engine; test_engine.compare_compiled()"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_int8_is_nearly_the_same_in_a_quarter_of_the_bytes():
    model = make()
    expected = dreams(model)
    model.use_engine("int8")
    found = dreams(model)
    assert 0 < (found - expected).norm() / expected.norm() < 0.03
    assert {p.dtype for p in model.backbone.layers.parameters()} == {torch.float32}  # offsets and gains alone
    assert sum(p.numel() for p in model.backbone.layers.parameters()) < 0.1 * sum(
        p.numel() for p in make().backbone.layers.parameters()
    )


def test_engines_that_there_are_not():
    with pytest.raises(InputError, match="engine: found 'fast', wanted one of: eager, compiled, int8"):
        make().use_engine("fast")
    with pytest.raises(InputError, match="engine int8: the model is on meta, wanted it on the CPU"):
        make().to("meta").use_engine("int8")
