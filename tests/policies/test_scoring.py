"""Scoring in truth and in dreams that are told by heart: of a world where the dream is exact, and of a kind one."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, VectorEnv

from policies.batch import one_each
from policies.episodes import PolicyEpisode
from policies.scoring import Again, Contender, score_policies
from policies.scripted import RandomPolicy
from policies.worlds import VectorWorlds
from tests.dot_world import GREEN, RED, DotEnv, find
from worldmodel.types import InputError


class Dreams(VectorEnv):
    """The dot world, begun from pictures; ``kindness`` widens what counts as success, in px."""

    metadata: ClassVar[dict[str, Any]] = {"autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(self, frames: Sequence[np.ndarray], kindness: float = 0.0) -> None:
        self.envs, self.firsts, self.kindness = [DotEnv() for _ in frames], frames, kindness
        self.num_envs = len(frames)
        self.single_action_space = self.envs[0].action_space
        self.closed_times = 0

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        seen = []
        for env, own, start in zip(self.envs, seed, options["starts"], strict=True):
            env.reset(seed=own)
            env.dot, env.goal = find(self.firsts[start], RED), find(self.firsts[start], GREEN)
            seen.append(env._observe())
        return self._stacked(seen), {}

    def step(self, actions: np.ndarray) -> tuple[Any, ...]:
        steps = [env.step(action) for env, action in zip(self.envs, actions, strict=True)]
        near = np.array([np.linalg.norm(env.dot - env.goal) < 1.0 + self.kindness for env in self.envs])
        reward, _, truncated = (np.array([step[part] for step in steps]) for part in (1, 2, 3))
        return self._stacked([step[0] for step in steps]), reward, near, truncated, {"is_success": near}

    def close_extras(self, **_: Any) -> None:
        self.closed_times += 1

    def _stacked(self, seen: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        return {name: np.stack([one[name] for one in seen]) for name in seen[0]}


class Seeing:
    """Walks to the green square that it sees; every so many steps it errs."""

    def __init__(self, error_px: float = 0.0) -> None:
        self.error_px = error_px

    def reset(self, seed: int | None = None) -> None:
        self.rng = np.random.default_rng(seed)

    def act(self, observation: Mapping[str, Any]) -> np.ndarray:
        place = find(observation["pixels"], GREEN) + self.rng.normal(0, self.error_px + 1e-9, 2)
        return np.clip(place, 4, 28).astype(np.float32)


class Knowing(Seeing):
    """Reads the goal off the simulator, and must never be asked about a dream."""

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__()
        self.env: Any = env.unwrapped

    def act(self, observation: Mapping[str, Any]) -> np.ndarray:
        return self.env.goal.copy()


def contenders() -> list[Contender]:
    return [
        Contender("random", one_each(lambda env: RandomPolicy(env.action_space))),
        Contender("shaky", one_each(lambda env: Seeing(2.5))),
        Contender("seeing", one_each(lambda env: Seeing())),
        Contender("knowing", one_each(Knowing), again=True),
    ]


def test_an_exact_dream_says_the_same_episode_by_episode() -> None:
    measures, played = score_policies(contenders(), DotEnv, Dreams, episodes=12, seed0=3, max_steps=20, record=2)
    assert measures["spearman"] == pytest.approx(1)
    assert measures["pearson"] == pytest.approx(1)
    assert measures["optimism_gap"] == measures["mmrv"] == measures["mean_score"]["optimism_gap"] == 0.0
    for name, result in measures["policies"].items():
        assert result["same_verdict"] == 1.0
        assert result["true"]["scores"] == result["dream"]["scores"]
        assert result["again"] == (name == "knowing")
        for one, other in zip(played[name].true, played[name].dream, strict=True):
            np.testing.assert_array_equal(np.stack(one.actions), np.stack(other.actions))
    assert measures["policies"]["knowing"]["true"]["success_rate"] == 1.0
    assert measures["policies"]["random"]["true"]["success_rate"] < 0.5
    assert [len(episode.frames) > 0 for episode in played["shaky"].dream[:4]] == [True, True, False, False]
    json.dumps(measures, allow_nan=False)


def test_a_kind_dream_is_found_out() -> None:
    measures, _ = score_policies(contenders(), DotEnv, lambda frames: Dreams(frames, 6.0), episodes=12, max_steps=20)
    assert measures["optimism_gap"] > 0.1
    assert measures["policies"]["random"]["same_verdict"] < 1.0


def test_dreams_are_closed_when_a_policy_fails() -> None:
    made: list[Dreams] = []

    def make(frames: Sequence[np.ndarray]) -> Dreams:
        made.append(Dreams(frames))
        return made[0]

    broken = Contender("broken", one_each(lambda env: Constant(np.array([np.nan, 0], np.float32))))
    with pytest.raises(InputError, match="wanted finite numbers"):
        score_policies([broken], DotEnv, make, episodes=2)
    assert made[0].closed_times == 1


class Constant:
    """Always does the same."""

    def __init__(self, action: np.ndarray) -> None:
        self.action = action

    def reset(self, seed: int | None = None) -> None:
        pass

    def act(self, observation: Mapping[str, Any]) -> np.ndarray:
        return self.action


@pytest.mark.parametrize("names", [[], ["a", "a"]])
def test_policies_are_told_apart(names: list[str]) -> None:
    same = [Contender(name, one_each(lambda env: Seeing())) for name in names]
    with pytest.raises(InputError, match="wanted at least one, each once"):
        score_policies(same, DotEnv, Dreams, episodes=1)


def test_again_does_what_was_done_and_then_stops() -> None:
    episodes = [PolicyEpisode(0, actions=[np.ones(2, np.float32)]), PolicyEpisode(1, actions=[np.zeros(2, np.float32)])]
    policy = Again(episodes)
    policy.reset([0, 1])
    assert policy.act({1: {}})[1].tolist() == [0, 0]
    assert policy.act({0: {}})[0].tolist() == [1, 1]


def test_nobody_looks_at_dreams_that_are_over() -> None:
    frames = [DotEnv().reset(seed=seed)[0]["pixels"] for seed in range(3)]
    worlds = VectorWorlds(Dreams(frames), {"starts": [2, 1, 0]})
    seen = worlds.reset([5, 6, 7])
    np.testing.assert_array_equal(seen[0]["pixels"], frames[2])
    assert set(worlds.step({1: np.array([9, 9], np.float32)})) == {1}
