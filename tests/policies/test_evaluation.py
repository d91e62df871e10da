import json
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
import pytest

from policies.batch import one_each
from policies.evaluation import evaluate_policy
from policies.scripted import RandomPolicy
from policies.world_action import BatchWorldActionPolicy
from tests.dot_world import DotEnv, DotModel
from worldmodel.types import InputError


class StandStill:
    """Stays where it is."""

    def reset(self, seed: int | None = None) -> None:
        pass

    def act(self, observation: Mapping[str, Any]) -> np.ndarray:
        return observation["agent_pos"]


class Straight(StandStill):
    """Jumps to the goal, which it knows from the simulator, at the third step."""

    def __init__(self, env: gymnasium.Env) -> None:
        self.env: Any = env.unwrapped
        self.steps = 0

    def reset(self, seed: int | None = None) -> None:
        self.steps = 0

    def act(self, observation: Mapping[str, Any]) -> np.ndarray:
        self.steps += 1
        return self.env.goal if self.steps == 3 else super().act(observation)


def test_a_policy_that_always_arrives_scores_one() -> None:
    metrics, episodes = evaluate_policy(DotEnv, one_each(Straight), episodes=7, seed0=5, parallel=3)
    assert metrics["success_rate"] == metrics["mean_score"] == 1.0
    assert metrics["ci95"] == [1.0, 1.0]
    assert metrics["scores"] == [1.0] * 7
    assert metrics["success_ci95"][0] < 1.0 == metrics["success_ci95"][1]
    assert metrics["episodes"] == 7
    assert metrics["parallel"] == 3
    assert metrics["ms_per_action"] > 0
    assert [episode.seed for episode in episodes] == list(range(5, 12))
    assert all(len(episode.rewards) == 3 for episode in episodes)
    json.dumps(metrics, allow_nan=False)


def test_the_score_is_the_best_reward_not_the_last() -> None:
    class Passing(Straight):
        def act(self, observation: Mapping[str, Any]) -> np.ndarray:
            self.steps += 1
            near = self.env.goal + (2 if self.env.goal[0] < 16 else -2)
            return near if self.steps == 2 else observation["agent_pos"] * 0 + 4

    _, episodes = evaluate_policy(DotEnv, one_each(Passing), episodes=3)
    for episode in episodes:
        assert episode.score == max(episode.rewards) >= episode.rewards[-1]
        assert len(episode.rewards) == DotEnv.max_steps
        assert not episode.success


def test_the_number_at_once_changes_nothing_for_independent_policies() -> None:
    make = one_each(lambda env: RandomPolicy(DotEnv().action_space))
    alone, _ = evaluate_policy(DotEnv, make, episodes=5, parallel=1)
    together, _ = evaluate_policy(DotEnv, make, episodes=5, parallel=5)
    assert alone["scores"] == together["scores"]


def test_only_the_first_episodes_are_recorded_with_one_frame_more_than_rewards() -> None:
    _, episodes = evaluate_policy(DotEnv, one_each(lambda env: StandStill()), episodes=5, parallel=2, record=3)
    assert [len(episode.frames) for episode in episodes] == [21, 21, 21, 0, 0]


def test_references_are_measured_on_the_same_seeds() -> None:
    references = {"still": one_each(lambda env: StandStill())}
    metrics, _ = evaluate_policy(DotEnv, one_each(Straight), episodes=4, references=references)
    still = metrics["references"]["still"]
    assert still["success_rate"] < 0.5
    assert still["episodes"] == 4
    assert still["seed0"] == metrics["seed0"]
    assert "references" not in still


def test_an_episode_without_an_end_is_cut() -> None:
    class Endless(DotEnv):
        max_steps = 10**9

    _, episodes = evaluate_policy(Endless, one_each(lambda env: StandStill()), episodes=1, max_steps=30)
    assert len(episodes[0].rewards) == 30


def test_one_model_call_plans_for_all_environments() -> None:
    model = DotModel()

    def make(envs: Sequence[gymnasium.Env]) -> BatchWorldActionPolicy:
        return BatchWorldActionPolicy(model, execute=8)

    metrics, _ = evaluate_policy(DotEnv, make, episodes=6)
    assert metrics["success_rate"] == 1.0
    assert model.calls[0] == ("act", 6)
    assert len(model.calls) == 1  # the walk of 8 steps reaches the goal


@pytest.mark.parametrize("action", [np.array([np.nan, 1.0], np.float32), np.zeros(3, np.float32)])
def test_impossible_actions_are_refused(action: np.ndarray) -> None:
    class Broken(StandStill):
        def act(self, observation: Mapping[str, Any]) -> np.ndarray:
            return action

    with pytest.raises(InputError, match="wanted finite numbers of shape"):
        evaluate_policy(DotEnv, one_each(lambda env: Broken()), episodes=1)


def test_no_episodes_are_refused() -> None:
    with pytest.raises(InputError, match="0 episodes"):
        evaluate_policy(DotEnv, one_each(lambda env: StandStill()), episodes=0)
