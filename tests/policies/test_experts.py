import gymnasium
import numpy as np
import pytest

from policies.collect import collect
from policies.experts import make_expert
from policies.scripted import SCRIPTED, fitting, make_policy
from worldmodel.data.embodiments import GRIPPER
from worldmodel.data.open import open_dataset
from worldmodel.data.screen import SCREEN
from worldmodel.types import InputError

METAWORLD = ("reach-v3", "drawer-close-v3", "button-press-topdown-v3", "pick-place-v3", "window-open-v3")
TASKS = [("TablePush", {}), ("PickPlace", {}), ("Drawer", {"task": "open"}), ("Drawer", {"task": "close"})]


def succeeds(name: str, options: dict[str, str], seed: int, **manner: float) -> bool:
    env = gymnasium.make(f"envs:worldmodel/{name}-v0", cameras=[], **options)
    observation, info = env.reset(seed=seed)
    expert = make_expert(env, **manner)
    expert.reset(seed)
    over = False
    while not over:
        observation, _, terminated, truncated, info = env.step(expert.act(observation))
        over = terminated or truncated
    return info["is_success"]


@pytest.mark.parametrize(("name", "options"), TASKS)
def test_it_can_do_it(name: str, options: dict[str, str]):
    assert all(succeeds(name, options, seed) for seed in range(4))


@pytest.mark.parametrize("task", METAWORLD)
def test_metaworlds_own_can_do_it(task: str):
    assert all(succeeds("MetaWorld", {"task": task}, seed) for seed in range(2))
    assert succeeds("MetaWorld", {"task": task}, 0, noise=0.1)


def test_it_tries_again_where_it_failed():
    assert all(succeeds("PickPlace", {}, seed, noise=0.1) for seed in range(4))


def test_noise_is_seeded_and_off_by_default():
    env = gymnasium.make("envs:worldmodel/PickPlace-v0", cameras=[])
    observation, _ = env.reset(seed=0)

    def first(name: str, seed: int) -> np.ndarray:
        policy = make_policy(name, env)
        policy.reset(seed)
        return policy.act(observation)

    np.testing.assert_array_equal(first("expert", 0), first("expert", 1))
    np.testing.assert_array_equal(first("noisy-expert", 0), first("noisy-expert", 0))
    assert (first("noisy-expert", 0) != first("noisy-expert", 1)).any()
    assert env.action_space.contains(first("noisy-expert", 0))


class Screen(gymnasium.Env):
    """A screen without anything on it."""

    embodiment = SCREEN
    observation_space = gymnasium.spaces.Dict({"agent_pos": gymnasium.spaces.Box(0, 200, (2,))})
    action_space = gymnasium.spaces.Box(SCREEN.action.low, SCREEN.action.high)


def test_who_is_idle_leaves_the_pointer_where_it_is():
    assert fitting(SCRIPTED, Screen()) == ["random", "idle"]
    policy = make_policy("idle", Screen())
    policy.reset(3)
    assert policy.act({"agent_pos": np.array([7, 9], np.float32)}).tolist() == [7, 9, *[0] * 9]


def test_who_fits_where():
    scene = gymnasium.make("envs:worldmodel/Drawer-v0", cameras=[])
    pusht = gymnasium.make("envs:worldmodel/PushT-v0", size=16)
    assert fitting(SCRIPTED, scene) == ["random", "expert", "noisy-expert"]
    assert fitting(SCRIPTED, pusht) == ["random", "explore"]
    metaworld = gymnasium.make("envs:worldmodel/MetaWorld-v0", cameras=[])
    assert fitting(SCRIPTED, metaworld) == ["random", "expert", "noisy-expert"]
    aloha = gymnasium.make("envs:worldmodel/Aloha-v0", cameras=[])
    assert fitting(SCRIPTED, aloha) == ["random"]
    for name, env in (("PushT", pusht), ("Aloha", aloha)):
        wanted = f"expert: there is none for {name}, wanted one of: TablePush, PickPlace, Drawer, MetaWorld"
        with pytest.raises(InputError, match=wanted):
            make_policy("expert", env)


def test_two_cameras_are_collected(tmp_path):
    options = {"cameras": ["fixed", "wrist"], "level": 2}
    collect("worldmodel/Drawer-v0", "expert", 1, tmp_path / "set", env_options=options, progress=False)
    episode = open_dataset(tmp_path / "set")[0]
    assert {name: frames.shape[1:] for name, frames in episode.frames.items()} == {
        "fixed": (64, 64, 3),
        "wrist": (64, 64, 3),
    }
    assert (episode.embodiment, episode.text, episode.terminated) == ("gripper", "Open the drawer.", True)
    assert episode.success is not None
    assert episode.success[-1]
    assert episode.state is not None
    assert np.abs(GRIPPER.normalise_state(episode.state)).max() <= 1
