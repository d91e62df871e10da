"""Which weights a run takes over from a checkpoint whose bodies are others."""

import dataclasses

import numpy as np
import pytest
import torch

import worldmodel
from tests.models import tiny
from worldmodel.config import load_config
from worldmodel.initial_weights import begin_with
from worldmodel.models.world_model import WorldModel
from worldmodel.types import ActionDim, ActionSpec, EmbodimentSpec, InputError

FRAMES = np.random.default_rng(0).integers(0, 256, (1, 3, 32, 64, 3), dtype=np.uint8)


@pytest.fixture
def first():
    """A model none of whose weights are 0."""
    model = tiny.model()
    torch.manual_seed(1)
    for parameter in model.backbone.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return model


def other(first, bodies, **changes):
    backbone = dataclasses.replace(first.config.backbone, **changes)
    return WorldModel(dataclasses.replace(first.config, backbone=backbone), bodies).eval().requires_grad_(False)


def test_a_run_that_says_nothing_of_its_model_has_the_shape_of_its_checkpoint(tmp_path):
    text = "{name: a, output: b, init: table, datasets: {arm: {path: c}}, stages: {finetune: {steps: 7}}}"
    (tmp_path / "own.yaml").write_text(text)
    shape = worldmodel.load("table").config
    assert load_config(str(tmp_path / "own.yaml")).model == shape
    changed = load_config(str(tmp_path / "own.yaml"), ["--model.objective.video", "0.5", "--model.execute", "3"]).model
    objective = dataclasses.replace(shape.objective, video=0.5)
    assert changed == dataclasses.replace(shape, objective=objective, execute=3)
    with pytest.raises(InputError, match="checkpoint 'tabel': not found"):
        load_config(str(tmp_path / "own.yaml"), ["--init", "tabel"])


def test_bodies_are_found_by_name_in_any_order(first):
    model = other(first, first.embodiments[::-1])
    assert begin_with(model, first) == []
    for body in first.embodiments:
        actions = np.zeros((1, 2, len(body.action)), np.float32)
        dreams = [m.imagine(FRAMES, actions, embodiment=body.name) for m in (first, model)]
        np.testing.assert_array_equal(*dreams)
        np.testing.assert_array_equal(*(m.act(FRAMES, embodiment=body.name) for m in (first, model)))


def test_a_body_that_is_new_starts_anew_in_a_trunk_that_knows(first):
    robot = EmbodimentSpec("seven", ActionSpec(tuple(ActionDim(f"joint_{n}") for n in range(7))))
    model = other(first, [robot])
    assert begin_with(model, first) == ["seven"]
    assert model.act(FRAMES).shape == (1, 6, 7)
    for name, value in first.backbone.layers.state_dict().items():
        assert torch.equal(model.backbone.layers.state_dict()[name], value), name


def test_a_new_body_of_the_same_size_leaves_the_known_one_as_it_was(first):
    known, gripper = first.embodiments
    new = dataclasses.replace(gripper, name="new")
    model = other(first, [new, known])
    fresh = model.backbone.action_in.first.weight[0].clone()
    assert begin_with(model, first) == ["new"]
    np.testing.assert_array_equal(*(m.act(FRAMES, embodiment=known.name) for m in (first, model)))
    assert torch.equal(model.backbone.action_in.first.weight[0], fresh)


def test_what_is_new_to_the_weights_starts_anew(first):
    model = other(first, first.embodiments, shortcut=True)
    assert begin_with(model, first) == []
    assert not model.backbone.step_clock.mlp[-1].weight.any()
    assert torch.equal(model.backbone.patch_in.weight, first.backbone.patch_in.weight)
