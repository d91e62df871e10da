"""Stable-Baselines3's PPO learns in dreams as in any environment: one at a time, or many in a batch."""

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecMonitor

from policies.stable_baselines import GymnasiumVecEnv
from tests.models import tiny
from worldmodel.types import InputError

RNG = np.random.default_rng(0)
FRAMES = RNG.integers(0, 256, (3, 1, 48, 48, 3), dtype=np.uint8)
OPTIONS = {
    "checkpoint": tiny.model(48, 48),
    "starts": [(frames, np.zeros((0, 2), np.float32)) for frames in FRAMES],
    "max_steps": 5,
}
DREAM = "envs:worldmodel/Dream-v0"
SMALL = {"n_steps": 8, "batch_size": 8, "n_epochs": 2, "seed": 0, "device": "cpu"}


def batch(num_envs: int = 2) -> GymnasiumVecEnv:
    return GymnasiumVecEnv(gymnasium.make_vec(DREAM, num_envs=num_envs, **OPTIONS))


def weights(learner: PPO) -> torch.Tensor:
    return torch.nn.utils.parameters_to_vector(learner.policy.parameters()).detach().clone()


def test_it_learns_in_a_single_dream() -> None:
    learner = PPO("MultiInputPolicy", gymnasium.make(DREAM, **OPTIONS), **SMALL)
    before = weights(learner)
    learner.learn(24)
    assert learner.num_timesteps == 24
    assert learner._n_updates == 3 * SMALL["n_epochs"]
    assert (weights(learner) != before).any()
    assert learner.ep_info_buffer[0]["l"] <= OPTIONS["max_steps"]


def test_it_learns_in_a_batch_of_dreams_the_same_every_time() -> None:
    found = []
    for _ in range(2):
        learner = PPO("MultiInputPolicy", VecMonitor(batch()), **SMALL)
        before = weights(learner)
        learner.learn(32)
        assert (weights(learner) != before).any()
        assert 1 <= learner.ep_info_buffer[0]["l"] <= OPTIONS["max_steps"]
        found.append(weights(learner))
    torch.testing.assert_close(*found, rtol=0, atol=0)
    rewards, _ = evaluate_policy(learner, VecMonitor(batch()), n_eval_episodes=2)
    assert np.isfinite(rewards)


def test_an_episode_that_ended_shows_its_last_picture_and_the_next_one_s_first() -> None:
    env, plain = batch(), gymnasium.make_vec(DREAM, num_envs=2, **OPTIONS)
    env.seed(3)
    np.testing.assert_array_equal(env.reset()["pixels"], plain.reset(seed=3)[0]["pixels"])
    action = np.full((2, 2), 20, np.float32)
    while True:
        seen, reward, over, infos = env.step(action)
        true, earned, terminated, truncated, _ = plain.step(action)
        np.testing.assert_array_equal(reward, earned.astype(np.float32))
        np.testing.assert_array_equal(over, terminated | truncated)
        if over.any():
            break
    for row in np.flatnonzero(over):
        assert infos[row]["is_success"] == terminated[row]
        assert infos[row]["TimeLimit.truncated"] == truncated[row]
        np.testing.assert_array_equal(infos[row]["terminal_observation"]["pixels"], true["pixels"][row])
        assert any((seen["pixels"][row] == frames[-1]).all() for frames in FRAMES)
    assert [image.shape for image in env.get_images()] == [(48, 48, 3)] * 2
    assert env.render_mode == "rgb_array"


def test_what_a_batch_cannot_do_is_refused() -> None:
    env = batch()
    with pytest.raises(InputError, match="cannot set 'max_steps'"):
        env.set_attr("max_steps", 3)
    with pytest.raises(InputError, match="cannot call 'close'"):
        env.env_method("close")
