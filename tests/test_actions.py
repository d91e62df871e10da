"""Actions as a model takes them: in [-1, 1], categorical dimensions as bits."""

import numpy as np
import pytest

from worldmodel.analog_bits import bits_for, from_bits, to_bits
from worldmodel.data.action_groups import group_body
from worldmodel.data.screen import KEYS, SCREEN
from worldmodel.types import ActionDim, ActionSpec, EmbodimentSpec

SPEC = ActionSpec(
    (
        ActionDim("x", "continuous", 0.0, 10.0, "px"),
        ActionDim("gear", "categorical", -2.0, 4.0),
        ActionDim("press", "binary"),
        ActionDim("key", "categorical", 0.0, 4.0),
    )
)


@pytest.mark.parametrize(("count", "bits"), [(1, 1), (2, 1), (3, 2), (8, 3), (9, 4), (109, 7)])
def test_every_number_comes_back_from_its_bits(count: int, bits: int) -> None:
    coded = to_bits(np.arange(count), count)
    assert (bits_for(count), coded.shape) == (bits, (count, bits))
    assert set(np.unique(coded)) <= {-1.0, 1.0}
    np.testing.assert_array_equal(from_bits(0.1 * coded, count), np.arange(count))


def test_what_no_number_has_becomes_the_largest() -> None:
    np.testing.assert_array_equal(from_bits(np.ones((1, 3)), 6), [5])
    np.testing.assert_array_equal(to_bits(np.array([-3.0, 99.0]), 6), to_bits(np.array([0, 5]), 6))


def test_categorical_dimensions_are_normalised_to_bits_behind_the_others() -> None:
    assert SPEC.normalised_size == 4 + 2 + 2
    assert SPEC.categorical == ((1, 7, (1, 4, 5)), (3, 5, (3, 6, 7)))
    action = np.array([2.5, 3.0, 1.0, 4.0], np.float32)  # gear 3 is number 5: bits 1, 0, 1; key 4: bits 0, 0, 1
    np.testing.assert_array_equal(SPEC.normalise(action), [-0.5, 1, 1, -1, -1, 1, -1, 1])


def test_actions_come_back_from_noisy_numbers() -> None:
    rng = np.random.default_rng(0)
    legal = [np.linspace(0, 10, 50), np.arange(-2, 5), np.array([-1.0, 1.0]), np.arange(5)]
    actions = np.stack([rng.choice(values, (3, 40)) for values in legal], -1).astype(np.float32)
    noise = rng.uniform(-0.4, 0.4, (3, 40, 8)) * (np.arange(8) > 0)
    np.testing.assert_allclose(
        SPEC.denormalise((SPEC.normalise(actions) + noise).astype(np.float32)), actions, atol=1e-5
    )


def test_keys_of_a_screen_are_seven_bits() -> None:
    assert SCREEN.action.normalised_size == 11 + 6
    actions = np.zeros((len(KEYS), 11), np.float32)
    actions[:, SCREEN.action.names.index("key")] = np.arange(len(KEYS))
    normalised = SCREEN.action.normalise(actions)
    assert len(np.unique(normalised, axis=0)) == len(KEYS)
    np.testing.assert_array_equal(SCREEN.action.denormalise(normalised), actions)


def test_bits_of_joined_actions_leave_places_where_they_are() -> None:
    dims = (ActionDim("x"), ActionDim("y"), ActionDim("key", "categorical", 0.0, 6.0))
    grouped = group_body(EmbodimentSpec("hand", ActionSpec(dims, points=((0, 1),))), 2)
    assert grouped.action.normalised_size == 2 * 5
    assert grouped.action.points == ((0, 1), (5, 6))
