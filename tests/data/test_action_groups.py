import numpy as np

from tests.dot_world import DOT
from worldmodel.data.action_groups import group_actions, group_body, join_actions, split_actions


def test_groups_lead_from_one_latent_to_the_next() -> None:
    # Frame t shows the number t, and actions[t] names the frame that it leads to.
    frames = np.arange(9)
    actions = np.stack([frames + 1, frames + 1], 1).astype(np.float32)
    grouped, known = group_actions(actions, np.ones(9, bool), 4)
    last_frame = [0, 4, 8]  # of the latents: frame 0, frames 1 to 4, frames 5 to 8
    assert grouped.shape == (len(last_frame), 8)
    for latent in range(2):
        np.testing.assert_array_equal(grouped[latent, ::2], np.arange(last_frame[latent], last_frame[latent + 1]) + 1)
    assert known.tolist() == [True, True, False]


def test_a_group_is_known_where_all_of_it_is() -> None:
    mask = np.array([True, True, True, False, True, True, True, True])
    assert group_actions(np.zeros((8, 2), np.float32), mask, 4)[1].tolist() == [False, True]


def test_one_frame_per_latent_changes_nothing() -> None:
    actions, mask = np.random.default_rng(0).random((5, 2), np.float32), np.array([True, False, True, True, True])
    grouped, known = group_actions(actions, mask, 1)
    np.testing.assert_array_equal(grouped, actions)
    np.testing.assert_array_equal(known, mask)


def test_no_action_dimension() -> None:
    grouped, known = group_actions(np.zeros((5, 0), np.float32), np.zeros(5, bool), 4)
    assert grouped.shape == (2, 0)
    assert not known.any()


def test_joining_is_undone_by_splitting() -> None:
    actions = np.random.default_rng(0).random((2, 6, 3), np.float32)
    joined = join_actions(actions, 4)
    assert joined.shape == (2, 2, 12)
    again = split_actions(joined, 4)
    np.testing.assert_array_equal(again[:, :6], actions)
    np.testing.assert_array_equal(again[:, 6:], np.repeat(actions[:, -1:], 2, 1))
    np.testing.assert_array_equal(split_actions(join_actions(actions, 1), 1), actions)
    assert join_actions(actions[:, :0], 4).shape == (2, 0, 12)


def test_a_grouped_body_keeps_limits_and_places() -> None:
    body = group_body(DOT, 3)
    assert group_body(DOT, 1) is DOT
    assert (body.name, body.fps, body.state_low) == ("dot", DOT.fps / 3, DOT.state_low)
    assert body.action.names == ("x 0", "y 0", "x 1", "y 1", "x 2", "y 2")
    assert body.action.points == ((0, 1), (2, 3), (4, 5))
    actions = np.random.default_rng(0).uniform(0, 32, (1, 6, 2)).astype(np.float32)
    np.testing.assert_allclose(
        body.action.normalise(join_actions(actions, 3)), join_actions(DOT.action.normalise(actions), 3)
    )
