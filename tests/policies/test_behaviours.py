"""Mixtures of behaviours, and replays."""

from pathlib import Path

import numpy as np
import pytest

from policies.behaviours import Mixture, make_behaviour, read_behaviours
from policies.collect import collect
from policies.recorder import make_env
from policies.replay import ReplayPolicy
from policies.world_action import WorldActionPolicy
from tests.data import counting
from worldmodel.data.deletion import delete
from worldmodel.data.open import open_dataset
from worldmodel.types import InputError


class Constant:
    """Always does the same."""

    def __init__(self, value: float) -> None:
        self.value, self.seeds = value, set()

    def reset(self, seed: int | None = None) -> None:
        self.seeds.add(seed)

    def act(self, observation: object) -> np.ndarray:
        return np.array([self.value], np.float32)


def test_names_and_weights_are_read():
    assert read_behaviours("expert") == {"expert": 1.0}
    assert read_behaviours("expert=3,noisy-expert:0.3=0.5,random,random") == {
        "expert": 3.0,
        "noisy-expert:0.3": 0.5,
        "random": 2.0,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clever", r"policy 'clever' is unknown, wanted one of: random, idle, explore, .*replay:DATASET"),
        ("random=0", r"policy 'random=0': weight '0', wanted a positive number"),
        ("random=much", r"policy 'random=much': weight 'much', wanted a positive number"),
        ("random,", r"policy '' is unknown"),
    ],
)
def test_bad_names_and_weights(text: str, message: str):
    with pytest.raises(InputError, match=message):
        read_behaviours(text)


def test_policies_take_turns_by_seed():
    policies = [Constant(1.0), Constant(2.0)]
    mixture = Mixture(policies, [3.0, 1.0])
    played = []
    for seed in range(200):
        mixture.reset(seed)
        played.append(float(mixture.act({})[0]))
    assert 130 <= played.count(1.0) <= 170
    assert policies[0].seeds | policies[1].seeds == {None, *range(200)}
    mixture.reset(7)
    assert mixture.act({})[0] == played[7]


def test_a_mixture_is_collected(tmp_path: Path):
    policy = "expert=1,random=1,noisy-expert:0.5=1"
    env = make_env("worldmodel/TablePush-v0", size=64)
    assert isinstance(make_behaviour(policy, env), Mixture)
    env.close()
    options = {"env_options": {"size": 64}, "max_steps": 4, "progress": False}
    source = open_dataset(collect("worldmodel/TablePush-v0", policy, 3, tmp_path / "set", **options))
    assert [len(source[index]) for index in range(3)] == [4, 4, 4]


def test_noise_must_be_a_number():
    env = make_env("worldmodel/TablePush-v0", size=64)
    with pytest.raises(InputError, match=r"policy 'noisy-expert:much': noise 'much', wanted a number from 0 on"):
        make_behaviour("noisy-expert:much", env)
    env.close()


def test_a_checkpoint_acts():
    env = make_env("worldmodel/PushT-v0", size=64)
    assert isinstance(make_behaviour("pusht", env), WorldActionPolicy)
    env.close()


def test_a_replay_does_the_same_from_the_same_seed(tmp_path: Path):
    def again(env: object) -> ReplayPolicy:
        return ReplayPolicy(first)

    first = collect(counting.ENV_ID, counting.make_policy, 4, tmp_path / "first", seed=5, progress=False)
    second = collect(counting.ENV_ID, again, 4, tmp_path / "second", seed=5, progress=False)
    for index in range(4):
        np.testing.assert_array_equal(open_dataset(first)[index].actions, open_dataset(second)[index].actions)
    delete(first, ids=["000001"])
    replay = ReplayPolicy(first)
    replay.reset(7)
    np.testing.assert_array_equal(replay.act({}), open_dataset(second)[2].actions[0])
    for seed in (6, 4, 9, None):
        with pytest.raises(InputError, match=rf"no episode from seed {seed}, wanted one of 5 to 8"):
            replay.reset(seed)


def test_only_collections_are_replayed(tmp_path: Path):
    path = collect(counting.ENV_ID, counting.make_policy, 1, tmp_path / "set", progress=False)
    own = path / "meta/worldmodel.json"
    own.write_text(own.read_text().replace('"seed"', '"sowing"'))
    with pytest.raises(InputError, match="tells of no seed, wanted a data set that worldmodel collect made"):
        ReplayPolicy(path)
