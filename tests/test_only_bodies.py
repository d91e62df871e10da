"""Stages that train only what bodies have of their own."""

import dataclasses

import numpy as np
import pytest
import torch

from tests.models import tiny
from worldmodel.config import StageConfig, load_config
from worldmodel.models.bodies import own_parameters
from worldmodel.stages import BackboneStage
from worldmodel.types import InputError

FRAMES = np.random.default_rng(0).integers(0, 256, (1, 3, 32, 64, 3), dtype=np.uint8)
CONFIG = StageConfig(compile=False, window=4, only_bodies=True, learning_rate=0.1, warmup=1, weight_decay=0.5)


def of_one_body(row):
    batch = tiny.batch()
    return dataclasses.replace(batch, embodiment=torch.full_like(batch.embodiment, row))


def train(model, config, batch):
    stage = BackboneStage(model, config, 0)
    stage.log = lambda *_, **__: None
    optimizer = stage.configure_optimizers()["optimizer"]
    for step in range(3):
        optimizer.zero_grad()
        stage.training_step((step, batch), 0).backward()
        optimizer.step()


def answers(model, body):
    size = len(model.embodiments[body].action)
    name = model.embodiments[body].name
    return model.imagine(FRAMES, np.zeros((1, 2, size), np.float32), embodiment=name), model.act(
        FRAMES, embodiment=name
    )


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_one_body_learns_and_the_other_stays_exactly_as_it_is(optimizer):
    model = tiny.model()
    before = [answers(model, body) for body in (0, 1)]
    train(model, dataclasses.replace(CONFIG, optimizer=optimizer), of_one_body(0))
    after = [answers(model, body) for body in (0, 1)]
    assert (before[0][0] != after[0][0]).any()
    np.testing.assert_array_equal(before[1][0], after[1][0])
    np.testing.assert_array_equal(before[1][1], after[1][1])


def test_the_next_stage_trains_everything_again():
    model = tiny.model()
    train(model, CONFIG, of_one_body(0))
    trunk = model.backbone.patch_in.weight.clone()
    train(model, dataclasses.replace(CONFIG, only_bodies=False), of_one_body(0))
    assert (model.backbone.patch_in.weight != trunk).any()


def test_points_are_shared_where_several_bodies_have_them():
    backbone = tiny.backbone()
    assert "point_in.0.weight" in own_parameters(backbone)
    backbone.point_mask.fill_(1.0)
    assert "point_in.0.weight" not in own_parameters(backbone)


def test_a_tokenizer_has_no_bodies(tmp_path):
    (tmp_path / "run.yaml").write_text(
        "{name: a, output: b, datasets: {a: {path: c}}, stages: {tokenizer: {only_bodies: true}}}"
    )
    with pytest.raises(InputError, match=r"stages\.tokenizer\.only_bodies: found true"):
        load_config(str(tmp_path / "run.yaml"))
