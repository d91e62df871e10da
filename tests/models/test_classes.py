"""Heads that choose among the values of categorical dimensions."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from worldmodel.models.backbone import Backbone
from worldmodel.models.backbone_config import BackboneConfig
from worldmodel.models.classes import Classes
from worldmodel.models.objective import ObjectiveConfig, act_loss, dream_loss
from worldmodel.models.sampling import infer_actions
from worldmodel.types import ActionDim, ActionSpec, Batch, EmbodimentSpec, InputError

PLAIN = ActionSpec((ActionDim("x"), ActionDim("y")))
KEY, GEAR = ActionDim("key", "categorical", 0.0, 4.0), ActionDim("gear", "categorical", 0.0, 2.0)
KEYED = ActionSpec((KEY, ActionDim("x"), GEAR))
SIZE = KEYED.normalised_size
CONFIG = BackboneConfig(width=32, layers=2, heads=2, time_every=2, window=4, act_window=2, chunk=4, chunk_tokens=2)


@pytest.fixture
def classes() -> Classes:
    return Classes([PLAIN, KEYED], SIZE)


def body(*indices: int) -> torch.Tensor:
    return torch.tensor(indices)


def padded(spec: ActionSpec, *actions: list[float]) -> torch.Tensor:
    values = torch.from_numpy(spec.normalise(np.array(actions, np.float32)))
    return torch.nn.functional.pad(values, (0, SIZE - values.shape[-1]))


def test_expected_bits_are_those_of_a_certain_choice(classes: Classes) -> None:
    logits = torch.full((1, 1, 8), -50.0)
    logits[0, 0, [3, 5 + 1]] = 50.0
    values = torch.rand(1, 1, SIZE)
    action = KEYED.denormalise(classes.expect(values, logits, body(1)).numpy())
    assert action[0, 0, [0, 2]].tolist() == [3, 1]
    assert action[0, 0, 1] == pytest.approx(values[0, 0, 1].item())


def test_numbers_of_a_body_without_classes_stay(classes: Classes) -> None:
    values, logits = torch.rand(1, 3, SIZE), torch.randn(1, 3, 8)
    assert torch.equal(classes.expect(values, logits, body(0)), values)


def test_error_is_cross_entropy_of_classes_and_square_of_the_others(classes: Classes) -> None:
    true = torch.stack([padded(PLAIN, [0.5, 0.0]), padded(KEYED, [4, 0.25, 2])])
    values, logits = torch.zeros(2, 1, SIZE), torch.zeros(2, 1, 8)
    error = classes.error(values, logits, true, body(0, 1)) * SIZE
    np.testing.assert_allclose(error[:, 0], [0.25, 0.0625 + np.log(5) + np.log(3)], rtol=1e-5)
    logits[1, 0, [4, 5 + 2]] = 50.0
    assert classes.error(values, logits, true, body(0, 1))[1].item() * SIZE == pytest.approx(0.0625, abs=1e-4)


@pytest.mark.parametrize("discrete", ["bits", "classes"])
def test_a_backbone_learns_which_key_is_pressed(discrete: str) -> None:
    """From frames that show the key; what dreams with their actions lose is finite."""
    torch.manual_seed(0)
    spec = EmbodimentSpec("typist", ActionSpec((KEY,)))
    backbone = Backbone(replace(CONFIG, discrete=discrete), [spec], 4, (2, 2))
    optimizer = torch.optim.AdamW(backbone.parameters(), 1e-2)
    config = ObjectiveConfig(inverse=1.0, joint=1.0, noise_share=1.0)
    for _ in range(80):
        keys = torch.randint(5, (16, 7))
        actions = torch.from_numpy(spec.action.normalise(keys[..., None].numpy().astype(np.float32)))
        shown = torch.nn.functional.one_hot(torch.nn.functional.pad(keys[:, :3], (1, 0)), 5)[..., :4]
        latents = 3.0 * shown[:, :, None, None].float().expand(-1, -1, 4, 4, -1)
        batch = Batch(actions, torch.ones(16, 7, dtype=torch.bool), torch.zeros(16, dtype=torch.long), latents)
        loss = act_loss(backbone, batch, config)["inverse"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    inferred = infer_actions(backbone, latents, batch.embodiment, steps=1)
    right = spec.action.denormalise(inferred.detach().numpy())[:, 1:, 0] == keys[:, :3].numpy()
    assert right.mean() > 0.95
    assert dream_loss(backbone, batch, config)["joint"].isfinite()


def test_bodies_without_classes_have_no_heads_for_them() -> None:
    plain = Backbone(replace(CONFIG, discrete="classes"), [EmbodimentSpec("arm", PLAIN)], 4, (2, 2))
    assert not plain.choosing
    assert not [name for name in plain.state_dict() if "class" in name]


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match="discrete: found 'words', wanted 'bits' or 'classes'"):
        BackboneConfig(discrete="words")
