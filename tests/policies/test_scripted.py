import gymnasium
import numpy as np
import pytest

from policies import pusht_geometry as geometry
from policies.scripted import ExploringPolicy, RandomPolicy, make_policy
from worldmodel.types import InputError

ENV_ID = "envs:worldmodel/PushT-v0"


@pytest.fixture(scope="module")
def env():
    env = gymnasium.make(ENV_ID, size=16, max_episode_steps=10_000)
    yield env
    env.close()


def explore(env: gymnasium.Env, seed: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    observation, _ = env.reset(seed=seed)
    policy = ExploringPolicy(env)
    policy.reset(seed)
    states, actions = [], []
    for _ in range(steps):
        states.append(env.get_wrapper_attr("state"))
        actions.append(policy.act(observation))
        observation, *_ = env.step(actions[-1])
    return np.array(states), np.array(actions)


@pytest.fixture(scope="module")
def explored(env: gymnasium.Env) -> list[tuple[np.ndarray, np.ndarray]]:
    return [explore(env, seed, 150) for seed in range(8)]


def gaps(states: np.ndarray) -> np.ndarray:
    """Distance between pusher and block."""
    edges = [np.linalg.norm(geometry.nearest_edge(state, state[:2]) - state[:2]) for state in states]
    return np.array(edges) - geometry.PUSHER_PX


def test_it_spends_its_time_at_the_block_and_moves_it(explored):
    near = np.concatenate([gaps(states) < 15 for states, _ in explored])
    moves = np.concatenate(
        [
            (np.linalg.norm(np.diff(states[:, 2:4], axis=0), axis=1) > 0.5) | (np.abs(np.diff(states[:, 4])) > 0.01)
            for states, _ in explored
        ]
    )
    assert near.mean() > 0.55
    assert moves.mean() > 0.3


def test_it_touches_every_side(explored):
    angles = []
    for states, _ in explored:
        for state in states[gaps(states) < 2]:
            place = (state[:2] - state[2:4]) @ geometry.rotation(state[4]) - geometry.MIDDLE_PX
            angles.append(np.arctan2(place[1], place[0]))
    share = np.histogram(angles, 8, (-np.pi, np.pi))[0] / len(angles)
    assert share.min() > 0.03


def test_its_targets_are_those_of_a_hand(explored):
    reach = np.concatenate([np.linalg.norm(actions - states[:, :2], axis=1) for states, actions in explored])
    jumps = np.concatenate([np.linalg.norm(np.diff(actions, axis=0), axis=1) for _, actions in explored])
    assert 10 < np.median(reach) < 40
    assert np.quantile(reach, 0.99) < 100
    assert np.quantile(jumps, 0.99) < 80
    actions = np.concatenate([actions for _, actions in explored])
    assert actions.min() >= 0
    assert actions.max() <= 512


def test_it_pauses_and_varies_its_speed(explored):
    speed = np.concatenate([np.linalg.norm(np.diff(states[:, :2], axis=0), axis=1) for states, _ in explored])
    assert np.quantile(speed, 0.05) < 2
    assert np.quantile(speed, 0.95) > 15


def test_a_seed_repeats_an_episode(env: gymnasium.Env, explored):
    states, actions = explore(env, 2, 150)
    np.testing.assert_array_equal(states, explored[2][0])
    np.testing.assert_array_equal(actions, explored[2][1])
    assert not np.array_equal(actions, explored[3][1])


def test_random_fills_the_box_and_repeats():
    space = gymnasium.spaces.Box(np.array([0, -1], np.float32), np.array([512, 1], np.float32))
    policy = RandomPolicy(space)
    policy.reset(4)
    actions = np.array([policy.act({}) for _ in range(500)])
    assert all(space.contains(action) for action in actions)
    assert np.all(np.abs(actions.mean(0) - [256, 0]) < [25, 0.1])
    policy.reset(4)
    np.testing.assert_array_equal(policy.act({}), actions[0])


def test_policies_by_name(env: gymnasium.Env):
    assert isinstance(make_policy("explore", env), ExploringPolicy)
    assert isinstance(make_policy("random", env), RandomPolicy)
    with pytest.raises(InputError, match="policy 'clever' is unknown, wanted one of: random, idle, explore"):
        make_policy("clever", env)
    other = gymnasium.make("CartPole-v1")
    with pytest.raises(InputError, match="explore: CartPoleEnv has no attribute 'state', wanted Push-T"):
        make_policy("explore", other)
    with pytest.raises(InputError, match="action space is Discrete"):
        make_policy("random", other)


def test_outline_normals_point_outwards():
    places, normals = geometry.sample_outline(np.random.default_rng(0), 200)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1)

    def inside(point: np.ndarray) -> bool:
        x, y = point
        return (abs(x) < 60 and 0 < y < 30) or (abs(x) < 15 and 0 < y < 120)

    assert not any(inside(point) for point in places + normals)
    assert all(inside(point) for point in places - 1e-3 * normals)


def test_outline_is_that_of_gym_pusht(env: gymnasium.Env):
    env.reset(options={"state": [20.0, 20.0, 300.0, 200.0, 0.7]})
    sim = env.unwrapped._sim
    corners = sim.get_keypoints(sim._block_shapes)
    ours = geometry.block_to_world(geometry.OUTLINE_PX, env.get_wrapper_attr("state"))
    assert all(np.linalg.norm(corners - corner, axis=1).min() < 1e-6 for corner in ours)
