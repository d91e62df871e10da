import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from lerobot.datasets.lerobot_dataset import LeRobotDataset

from policies.collect import collect
from policies.recorder import embodiment_of, make_env, record_episode
from policies.scripted import make_policy as make_scripted
from tests.data import counting
from tests.killing import dies
from tests.policies.comparing import assert_equal_sets
from worldmodel.data.deletion import delete
from worldmodel.data.lerobot import LeRobotSource
from worldmodel.data.open import open_dataset
from worldmodel.data.raw_events import read_events
from worldmodel.types import Episode, InputError

EPISODES = 3
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")


def collect_counting(output: Path, episodes: int = EPISODES, **options) -> Path:
    return collect(counting.ENV_ID, counting.make_policy, episodes, output, progress=False, **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return collect_counting(tmp_path_factory.mktemp("collect") / "whole")


def test_an_action_leads_from_its_frame_to_the_next(whole: Path):
    """The alignment rule, through environment, policy, disk and reader."""
    source = open_dataset(whole)
    assert len(source) == EPISODES
    for index in range(EPISODES):
        episode = source[index]
        count, latest = counting.read_numbers(episode.frames["pixels"])
        np.testing.assert_array_equal(np.diff(count), 1)
        np.testing.assert_array_equal(count, episode.state[:, 0])
        assert latest[0] == 0
        np.testing.assert_array_equal(latest[1:], episode.actions[:-1, 0])
        np.testing.assert_array_equal(episode.reward, episode.actions[:, 0])
        assert len(episode) == 12
        assert (episode.text, episode.fps, episode.terminated) == ("count", 5.0, False)
    assert list(source.embodiments) == [counting.COUNTING]


def test_every_episode_has_its_own_seed(whole: Path, tmp_path: Path):
    starts = [LeRobotSource(whole)[i].state[0, 0] for i in range(EPISODES)]
    env = gymnasium.make(counting.ENV_ID)
    assert starts == [env.reset(seed=seed)[0]["agent_pos"][0] for seed in range(EPISODES)]
    shifted = LeRobotSource(collect_counting(tmp_path / "set", 1, seed=2))
    np.testing.assert_array_equal(shifted[0].actions, LeRobotSource(whole)[2].actions)


def test_success_ends_an_episode(tmp_path: Path):
    source = LeRobotSource(collect_counting(tmp_path / "set", 1, env_options={"success_at": 9}))
    episode = source[0]
    assert episode.terminated
    np.testing.assert_array_equal(episode.success, np.arange(len(episode)) == len(episode) - 1)
    assert episode.state[-1] == 8


def killed(action: Callable[[], object], call: int, name: str) -> None:
    """Runs something in a process that dies at the ``call``-th use of ``Path.NAME``."""

    def prepare() -> None:
        original, calls = getattr(Path, name), [0]

        def count(self: Path, *arguments: object, **options: object) -> object:
            calls[0] += 1
            if calls[0] == call:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(self, *arguments, **options)

        setattr(Path, name, count)

    dies(action, prepare)


@pytest.mark.parametrize("call", [1, 7, 8, 11, 12, 14])
def test_a_killed_collection_goes_on(tmp_path: Path, whole: Path, call: int):
    """Every episode ends in seven renames: video, rows, episode, statistics, tasks, our notes, and info.json last."""
    output = tmp_path / "set"
    killed(lambda: collect_counting(output), call, "replace")
    finished = (call - 1) // 7
    if finished:
        source = open_dataset(output)  # as it is, without repair
        assert len(source) == finished
        for index in range(finished):
            np.testing.assert_array_equal(source[index].actions, LeRobotSource(whole)[index].actions)
        assert LeRobotDataset("local/set", root=output, video_backend="pyav").num_episodes == finished
    assert_equal_sets(collect_counting(output), whole)


@pytest.mark.parametrize("call", [2, 14])
def test_a_collection_killed_while_it_makes_folders_goes_on(tmp_path: Path, whole: Path, call: int):
    killed(lambda: collect_counting(tmp_path / "set"), call, "mkdir")
    assert_equal_sets(collect_counting(tmp_path / "set"), whole)


@pytest.fixture(scope="module")
def whole_with_events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return collect_counting(tmp_path_factory.mktemp("events") / "whole", env_options={"events": True})


def test_raw_events_are_kept_beside_the_data(whole_with_events: Path):
    source = LeRobotSource(whole_with_events)
    for index in range(EPISODES):
        events = read_events(whole_with_events / f"events/chunk-000/file-{index:03d}.jsonl")
        assert source[index].events == events
        assert [event["tick"] for event in events] == [tick for tick in range(len(source[index])) for _ in range(2)]
        numbers = [int(event["what"].split(" · ")[0]) for event in events[::2]]
        assert numbers == source[index].actions[:, 0].tolist()
    dataset = LeRobotDataset("local/set", root=whole_with_events, video_backend="pyav")
    assert dataset.num_episodes == EPISODES


@pytest.mark.parametrize("call", [2, 3, 8, 10, 11])
def test_raw_events_survive_a_kill(tmp_path: Path, whole_with_events: Path, call: int):
    """With them, every episode ends in eight renames; theirs is the second or third."""

    def go(**more: int) -> Path:
        return collect_counting(tmp_path / "set", env_options={"events": True}, **more)

    killed(go, call, "replace")
    assert_equal_sets(go(workers=2), whole_with_events)


def test_raw_events_go_with_their_episode(tmp_path: Path, whole_with_events: Path):
    output = Path(shutil.copytree(whole_with_events, tmp_path / "set"))
    delete(output, ids=["000001"])
    kept = sorted(file.relative_to(output) for file in output.rglob("*.jsonl") if "events" in file.parts)
    assert kept == [Path(f"events/chunk-000/file-00{index}.jsonl") for index in range(EPISODES - 1)]
    for new, old in ((0, 0), (1, 2)):
        files = (output / kept[new], whole_with_events / f"events/chunk-000/file-00{old}.jsonl")
        assert files[0].read_text() == files[1].read_text()


def test_a_finished_collection_is_extended(tmp_path: Path, whole: Path):
    collect_counting(tmp_path / "set", 1)
    collect_counting(tmp_path / "set", 1)
    assert_equal_sets(collect_counting(tmp_path / "set"), whole)


def test_a_collection_goes_on_behind_what_was_deleted(tmp_path: Path, whole: Path):
    output = collect_counting(tmp_path / "set", 2)
    delete(output, ids=["000000"])
    assert len(LeRobotSource(collect_counting(output, 2))) == 1
    source = LeRobotSource(collect_counting(output))
    for index in range(2):
        np.testing.assert_array_equal(source[index].actions, LeRobotSource(whole)[1 + index].actions)


def test_only_the_same_collection_goes_on(tmp_path: Path, whole: Path):
    with pytest.raises(InputError, match=r"was begun with recipe .*'seed': 0.* found .*'seed': 5"):
        collect_counting(whole, seed=5)


def test_pusht_is_explored(tmp_path: Path):
    options = {"max_steps": 10, "env_options": {"size": 64}, "progress": False}
    source = open_dataset(collect("worldmodel/PushT-v0", "explore", 2, tmp_path / "set", **options))
    assert (len(source), source[1].embodiment) == (2, "pusht")
    env = make_env("worldmodel/PushT-v0", size=64, max_episode_steps=10)
    truth = record_episode(env, make_scripted("explore", env), source.embodiments[0], 1, seed=1, env_id="")
    np.testing.assert_array_equal(source[1].actions, truth.actions)
    error = np.square(source[1].frames["pixels"] / 255 - truth.frames["pixels"] / 255).mean((1, 2, 3)).max()
    assert -10 * np.log10(error) > 55


def test_unwritable_output_is_told_before_any_work(tmp_path: Path):
    (tmp_path / "file").touch()

    def never(env: gymnasium.Env) -> counting.CountingPolicy:
        policy = counting.CountingPolicy()
        policy.act = lambda _: pytest.fail("acted")  # pyright: ignore[reportAttributeAccessIssue]
        return policy

    with pytest.raises(InputError, match="not a folder that can be written"):
        collect(counting.ENV_ID, never, 1, tmp_path / "file" / "set", progress=False)


def test_actions_that_are_no_numbers(tmp_path: Path):
    def broken(env: gymnasium.Env) -> counting.CountingPolicy:
        policy = counting.CountingPolicy()
        policy.act = lambda _: np.array([np.nan], np.float32)  # pyright: ignore[reportAttributeAccessIssue]
        return policy

    env = gymnasium.make(counting.ENV_ID)
    env.unwrapped._observe = lambda: {"pixels": np.zeros((32, 32, 3), np.uint8), "agent_pos": np.zeros(1, np.float32)}
    env.unwrapped.step = lambda action: (env.unwrapped._observe(), 0.0, True, False, {})
    with pytest.raises(InputError, match="actions hold NaN"):
        record_episode(env, broken(env), counting.COUNTING, 0, 0, "counting")


@pytest.mark.parametrize(
    ("env_id", "options", "message"),
    [
        ("worldmodel/Nothing-v0", {}, "environment 'worldmodel/Nothing-v0' is unknown"),
        ("nowhere:Nothing-v0", {}, "environment 'nowhere:Nothing-v0' is unknown"),
        ("worldmodel/PushT-v0", {"colour": 1}, "refuses its options"),
        ("worldmodel/PushT-v0", {"size": 60}, "divisible by 16"),
        ("CartPole-v1", {}, "observation without 'pixels'"),
    ],
)
def test_bad_environments(tmp_path: Path, env_id: str, options: dict, message: str):
    with pytest.raises(InputError, match=message):
        collect(
            env_id,
            "random" if env_id != "CartPole-v1" else counting.make_policy,
            1,
            tmp_path / "x",
            env_options=options,
        )
    assert not (tmp_path / "x").exists()


def test_bad_arguments(tmp_path: Path):
    with pytest.raises(InputError, match="policy 'clever' is unknown"):
        collect("worldmodel/PushT-v0", "clever", 1, tmp_path / "x")
    with pytest.raises(InputError, match="episodes 0, wanted at least 1"):
        collect_counting(tmp_path / "x", 0)


def test_an_environment_without_a_spec_gets_one_from_its_spaces():
    spec = embodiment_of("CartPole-v1", gymnasium.make("CartPole-v1"))
    assert (spec.name, spec.action.dims[0].kind, spec.action.low, spec.action.high) == (
        "cartpole-v1",
        "categorical",
        0,
        1,
    )
    spec = embodiment_of("Pendulum-v1", gymnasium.make("Pendulum-v1"))
    assert (spec.action.names, spec.action.high.tolist(), spec.fps) == (("action_0",), [2.0], 30.0)


def test_two_cameras_are_kept():
    env = gymnasium.make(counting.ENV_ID)
    single = env.unwrapped._observe
    env.unwrapped._observe = lambda: {
        **single(),
        "pixels": {"top": single()["pixels"], "side": 255 - single()["pixels"]},
    }
    env = env.unwrapped
    limited = gymnasium.wrappers.TimeLimit(env, 3)
    episode: Episode = record_episode(limited, counting.CountingPolicy(), counting.COUNTING, 0, 0, "counting")
    np.testing.assert_array_equal(episode.frames["top"], 255 - episode.frames["side"])


def test_several_processes_end_in_the_same_data(tmp_path: Path, whole: Path):
    assert_equal_sets(collect_counting(tmp_path / "set", workers=2), whole)


def test_what_goes_wrong_in_a_process_is_told(tmp_path: Path):
    with pytest.raises(InputError, match=r"^policy: knows no number, wanted one$"):
        collect(counting.ENV_ID, counting.make_broken_policy, 3, tmp_path / "set", workers=2, progress=False)


def test_a_ray_cluster_ends_in_the_same_data(tmp_path: Path, whole: Path):
    assert_equal_sets(collect_counting(tmp_path / "set", ray=True, workers=2), whole)
