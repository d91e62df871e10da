"""What holds for every environment that `envs` registers."""

import json
import os
import subprocess
import sys

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env

import envs  # noqa: F401  (registers the ids)
from tests.envs import browsing, sitting
from worldmodel.cli import main

IDS = sorted(name for name, spec in gymnasium.registry.items() if spec.namespace == "worldmodel")
MISSING = {"worldmodel/Browser-v0": browsing.MISSING, "worldmodel/Desktop-v0": sitting.MISSING}
MADE = [name for name in IDS if not MISSING.get(name)]
REPEATED = [name for name in MADE if not gymnasium.spec(name).nondeterministic]
PLAYED = """
import json, sys, zlib
import gymnasium, numpy as np
digests = {}
for name in sys.argv[1:]:
    env = gymnasium.make(f"envs:{name}")
    env.action_space.seed(3)
    observation, _ = env.reset(seed=11)
    digest = 0
    for _ in range(8):
        observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        seen = gymnasium.spaces.flatten(env.observation_space, observation).tobytes()
        digest = zlib.crc32(seen + np.float64(reward).tobytes() + bytes([terminated, truncated]), digest)
        if terminated or truncated:
            observation, _ = env.reset()
    digests[name] = digest
    env.close()
print(json.dumps(digests))
"""


@pytest.fixture(scope="module")
def played() -> list[dict[str, int]]:
    """What two processes saw, from the same seeds."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", PLAYED, *REPEATED],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONHASHSEED": str(number)},
        )
        for number in (1, 2)
    ]
    return [json.loads(process.communicate()[0]) for process in processes]


def test_there_are_some() -> None:
    assert {"worldmodel/PushT-v0", "worldmodel/TablePush-v0", "worldmodel/Dream-v0"} <= set(IDS)


@pytest.mark.parametrize("name", MADE)
@pytest.mark.filterwarnings("ignore:.*symmetric and normalized")
def test_gymnasium_accepts_it(name: str) -> None:
    env = gymnasium.make(name)
    check_env(env.unwrapped)
    assert env.metadata["render_fps"] > 0
    assert env.get_wrapper_attr("task")
    assert isinstance(env.get_wrapper_attr("task_description"), str)
    assert "is_success" in env.reset(seed=0)[1]
    env.close()


@pytest.mark.parametrize("name", REPEATED)
def test_the_same_seed_gives_the_same_episode_in_two_processes(played: list[dict[str, int]], name: str) -> None:
    first, second = played
    assert first[name] == second[name]


def test_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "envs"]) == 0
    told = capsys.readouterr().out.split()
    assert set(IDS) <= set(told)
