from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from tests.envs.outside import assert_same_outside
from worldmodel.data.embodiments import ALOHA_SIM
from worldmodel.types import InputError

TASKS = ("transfer-cube", "insertion")
HOME = np.array([0, -0.96, 1.16, 0, -0.3, 0, 0.1] * 2, np.float32)


def make(task: str = "transfer-cube", **options: Any) -> Any:
    """The environment itself, without Gymnasium's wrappers."""
    return gymnasium.make("envs:worldmodel/Aloha-v0", task=task, **options).unwrapped


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.filterwarnings("ignore:.*symmetric and normalized")
def test_gymnasium_accepts_it(task: str):
    env = gymnasium.make("envs:worldmodel/Aloha-v0", task=task)
    check_env(env.unwrapped)
    observation, info = env.reset(seed=0)
    assert observation["pixels"].shape == (96, 128, 3)
    np.testing.assert_allclose(observation["agent_pos"], HOME, atol=1e-3)
    assert (info["is_success"], env.metadata["render_fps"]) == (False, ALOHA_SIM.fps)
    assert env.spec is not None
    assert env.spec.max_episode_steps == 400
    assert env.get_wrapper_attr("task") == task
    assert env.get_wrapper_attr("task_description").endswith(".")
    assert env.render().shape == (384, 512, 3)
    env.close()


@pytest.mark.parametrize("task", TASKS)
def test_it_goes_as_in_gym_aloha(task: str):
    from gym_aloha.env import AlohaEnv  # imports mujoco, for which envs must have chosen OpenGL

    ours, theirs = make(task, cameras=[]), AlohaEnv(task.replace("-", "_"), obs_type="pixels_agent_pos")
    observation, _ = ours.reset(seed=7)
    wanted, _ = theirs.reset(seed=7)
    np.testing.assert_allclose(observation["agent_pos"], wanted["agent_pos"], atol=1e-6)
    for step in range(2):
        action = HOME + np.float32(0.1 + 0.1 * step)
        observation, reward, *_ = ours.step(action)
        wanted, score, *_ = theirs.step(action)
    np.testing.assert_allclose(observation["agent_pos"], wanted["agent_pos"], atol=1e-6)
    np.testing.assert_allclose(ours.data.qpos, theirs._env.physics.data.qpos, atol=1e-8)
    assert reward == score / 4


def test_the_same_seed_gives_the_same_episode_in_another_process():
    code = f"""
import zlib, gymnasium, numpy as np
digest = 0
for task in {TASKS!r}:
    env = gymnasium.make("envs:worldmodel/Aloha-v0", task=task, cameras=["top", "left_wrist"], size=64)
    observation, _ = env.reset(seed=11)
    for t in range(3):
        observation, reward, *_ = env.step(np.full(14, 0.3 * t, np.float32))
        for part in (*observation["pixels"].values(), observation["agent_pos"], np.float64(reward)):
            digest = zlib.crc32(part.tobytes(), digest)
    env.close()
print(digest)
"""
    assert_same_outside(code)


@pytest.mark.parametrize("task", TASKS)
def test_what_was_before_does_not_matter(task: str):
    env = make(task, cameras=[])
    rows = []
    for seed in (5, 6, 5):
        env.reset(seed=seed)
        for t in range(4):
            env.step(HOME + np.float32(0.1 * t))
        rows.append(env.data.qpos.copy())
    np.testing.assert_array_equal(rows[0], rows[2])
    assert (rows[0] != rows[1]).any()


def test_without_a_seed_episodes_go_on_from_the_one_before():
    drawn = []
    for _ in range(2):
        env = make(cameras=[])
        env.reset(seed=1)
        first = env.data.qpos.copy()
        env.reset()
        drawn.append(env.data.qpos.copy())
    np.testing.assert_array_equal(*drawn)
    assert (drawn[0] != first).any()


def test_joints_go_where_they_are_told():
    env = make(cameras=[])
    env.reset(seed=0)
    wanted = HOME.copy()
    wanted[[0, 7]], wanted[[6, 13]] = 0.4, 0.8
    for _ in range(60):
        observation = env.step(wanted)[0]
    np.testing.assert_allclose(observation["agent_pos"][[0, 6, 7, 13]], [0.4, 0.8, 0.4, 0.8], atol=0.1)


def test_wild_actions_break_nothing():
    env = make(cameras=[])
    rng = np.random.default_rng(0)
    env.reset(seed=0)
    for _ in range(300):
        observation, reward, *_ = env.step(rng.uniform(-9, 9, 14).astype(np.float32))
        assert env.observation_space.contains(observation)
        assert 0 <= reward <= 1


def test_a_peg_in_the_socket_is_success_that_is_held():
    env = make("insertion", cameras=[], hold=2)
    env.reset(seed=0)
    assert env.step(HOME)[1:] == (0.0, False, False, {"is_success": False})
    for terminated in (False, True):
        env.data.joint("red_peg_joint").qpos[:3] = env.data.joint("blue_socket_joint").qpos[:3]
        env.data.joint("red_peg_joint").qpos[0] += 0.095  # touches the pin inside
        assert env.step(HOME)[1:] == (1.0, terminated, False, {"is_success": True})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "fold"}, "Aloha: task 'fold' is unknown, wanted one of: transfer-cube, insertion"),
        ({"size": [96, 100]}, r"Aloha: frame size 96x100, wanted .* divisible by 16"),
        ({"cameras": ["top", "top"]}, r"Aloha: cameras \['top', 'top'\], wanted some of: left_pillar, .*, right_wrist"),
        ({"hold": 0}, "Aloha: hold 0, wanted at least 1 step"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        make(**options)


@pytest.mark.parametrize("action", [np.zeros(4), np.full(14, np.inf)])
def test_a_bad_action_is_refused(action: np.ndarray):
    env = make(cameras=[])
    env.reset(seed=0)
    with pytest.raises(InputError, match=r"Aloha: action .* wanted 14 finite numbers"):
        env.step(action)
