import numpy as np

from worldmodel.data.action_groups import group_actions


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
