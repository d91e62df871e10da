import numpy as np
import pytest

from tests.models import tiny
from worldmodel.models.world_model import WorldModelConfig
from worldmodel.types import InputError


@pytest.fixture
def model():
    return tiny.model()


def frames(batch=2, count=3):
    return np.random.default_rng(0).integers(0, 256, (batch, count, 32, 64, 3), dtype=np.uint8)


def test_every_mode_gives_the_shapes_and_units_it_promises(model):
    context, actions = frames(), np.full((2, 4, 2), 16.0, np.float32)
    dreamed = model.imagine(context, actions)
    assert dreamed.shape == (2, 4, 32, 64, 3)
    assert dreamed.dtype == np.uint8
    assert model.imagine_video(context, steps=2).shape == (2, 2, 32, 64, 3)
    both, invented = model.imagine_joint(context, steps=3)
    assert both.shape == (2, 3, 32, 64, 3)
    inferred = model.infer_actions(context)
    assert inferred.shape == (2, 2, 2)
    chunk = model.act(context, state=np.full((2, 2), 8.0, np.float32))
    assert chunk.shape == (2, 6, 2)
    for values in (invented, inferred, chunk):
        assert (values >= [0, 0]).all()
        assert (values <= [64, 32]).all()


def test_other_bodies_have_their_own_actions(model):
    assert model.act(frames(), embodiment="gripper").shape == (2, 6, 3)
    assert set(np.unique(model.act(frames(), embodiment="gripper")[..., 2])) <= {-1.0, 1.0}


def test_same_seed_same_dream(model):
    context, actions = frames(), np.full((2, 4, 2), 16.0, np.float32)
    first, again, other = (model.imagine(context, actions, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_known_context_actions_change_the_dream(model):
    context, actions = frames(), np.full((2, 4, 2), 16.0, np.float32)
    told = model.imagine(context, actions, context_actions=np.full((2, 2, 2), 30.0, np.float32))
    assert (told != model.imagine(context, actions)).any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.imagine(frames()[:, :, :16], np.zeros((2, 4, 2), np.float32)), "wanted uint8"),
        (lambda m: m.imagine(frames().astype(np.float32), np.zeros((2, 4, 2), np.float32)), "found float32"),
        (
            lambda m: m.imagine(frames(), np.zeros((2, 4, 3), np.float32)),
            r"found shape \(2, 4, 3\), wanted \(2, 4, 2\)",
        ),
        (lambda m: m.imagine(frames(), np.full((2, 4, 2), np.nan, np.float32)), "NaN"),
        (lambda m: m.act(frames(), state=np.zeros((2, 5), np.float32)), r"state: found shape \(2, 5\)"),
        (lambda m: m.act(frames(), text="push"), "trained without instructions"),
        (lambda m: m.act(frames(), embodiment="human"), "this model knows arm, gripper"),
    ],
)
def test_wrong_input_is_named(model, call, message):
    with pytest.raises(InputError, match=message):
        call(model)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="frame size 60x64"):
        WorldModelConfig(height=60)
