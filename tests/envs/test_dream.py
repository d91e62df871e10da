"""The dream as an environment, on a tiny model with random weights."""

from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import envs  # noqa: F401  (registers the ids)
from envs.dream import Dream, DreamVectorEnv
from tests.models import tiny
from worldmodel.data.embodiments import GRIPPER
from worldmodel.data.lerobot_writer import LeRobotWriter
from worldmodel.models.world_model import WorldModel
from worldmodel.types import Episode, InputError

RNG = np.random.default_rng(0)
STARTS = [
    (RNG.integers(0, 256, (3, 32, 64, 3), dtype=np.uint8), RNG.random((2, 2), dtype=np.float32)) for _ in range(5)
]


def make(num_envs: int = 3, **options: Any) -> DreamVectorEnv:
    return DreamVectorEnv(num_envs, checkpoint=tiny.model(), **{"starts": STARTS, "max_steps": 4, **options})


def actions(env: DreamVectorEnv, steps: int) -> list[np.ndarray]:
    env.action_space.seed(0)
    return [env.action_space.sample() for _ in range(steps)]


def test_episodes_end_and_begin_anew_at_the_next_step() -> None:
    env = make()
    observation, _ = env.reset(seed=0)
    assert observation["pixels"].shape == (3, 32, 64, 3)
    for number, action in enumerate(actions(env, 12)):
        observation, reward, terminated, truncated, info = env.step(action)
        assert env.observation_space.contains(observation)
        assert reward.shape == info["is_success"].shape == (3,)
        if not terminated.any():
            assert truncated.all() == (number % 5 == 3)
        if number % 5 == 4 and truncated.sum() == 0:
            assert any((observation["pixels"][0] == frames[-1]).all() for frames, _ in STARTS)


def test_an_episode_follows_from_its_own_seed_alone_or_among_others() -> None:
    together, alone = make(3), make(1)
    a, _ = together.reset(seed=[5, 6, 7])
    b, _ = alone.reset(seed=[6])
    np.testing.assert_array_equal(a["pixels"][1], b["pixels"][0])
    for action in actions(together, 9):
        a, reward_a, *_ = together.step(action)
        b, reward_b, *_ = alone.step(action[1:2])
        assert np.abs(a["pixels"][1].astype(int) - b["pixels"][0]).max() <= 1
        np.testing.assert_allclose(reward_a[1], reward_b[0], atol=1e-4)


def test_what_the_others_do_changes_no_bit() -> None:
    """Not their seeds, not their actions, not when they begin anew."""
    one, other = make(3), make(3)
    a, _ = one.reset(seed=[5, 6, 7])
    b, _ = other.reset(seed=[8, 6, 9])
    for number, action in enumerate(actions(one, 12)):
        np.testing.assert_array_equal(a["pixels"][1], b["pixels"][1])
        a, reward_a, *over_a, _ = one.step(action)
        others = np.where(np.arange(3)[:, None] == 1, action, action[::-1] / 2)
        b, reward_b, *over_b, _ = other.step(others)
        assert (reward_a[1], *(x[1] for x in over_a)) == (reward_b[1], *(x[1] for x in over_b))
        if number in (1, 7):
            b, _ = other.reset(options={"reset_mask": np.array([True, False, number == 7])})
    assert number == 11


def test_the_same_seed_dreams_the_same() -> None:
    films = []
    for env in (make(), make()):
        env.reset(seed=3)
        films.append([env.step(action)[0]["pixels"] for action in actions(env, 7)])
    np.testing.assert_array_equal(*films)


def test_some_may_be_reset_while_others_go_on() -> None:
    env, other = make(max_steps=50), make(max_steps=50)
    env.reset(seed=0)
    other.reset(seed=0)
    for action in actions(env, 3):
        env.step(action)
        other.step(action)
    observation, _ = env.reset(options={"reset_mask": np.array([False, True, False])})
    assert any((observation["pixels"][1] == frames[-1]).all() for frames, _ in STARTS)
    action = actions(env, 1)[0]
    a, b = env.step(action)[0]["pixels"], other.step(action)[0]["pixels"]
    assert np.abs(a[[0, 2]].astype(int) - b[[0, 2]]).max() <= 1


def test_success_ends_an_episode(monkeypatch: pytest.MonkeyPatch) -> None:
    env = make(2)
    env.reset(seed=0)
    monkeypatch.setattr("envs.dream.CERTAIN", 1e-30)
    _, _, terminated, truncated, info = env.step(actions(env, 1)[0])
    assert terminated.all()
    assert not truncated.any()
    assert info["is_success"].all()


def test_a_model_that_reads_it_tells_the_state() -> None:
    base = tiny.model()
    shape = replace(base.config, backbone=replace(base.config.backbone, read_state=True, text_buckets=16))
    model = WorldModel(shape, base.embodiments).eval()
    starts = [(*start, text) for start, text in zip(STARTS, ("left", None, "right", None, None), strict=True)]
    env = DreamVectorEnv(2, checkpoint=model, starts=starts, max_steps=3)
    observation, _ = env.reset(seed=0)
    for action in actions(env, 6):
        assert observation["agent_pos"].shape == (2, 2)
        assert env.observation_space.contains(observation)
        observation, *_ = env.step(action)
    check_env(Dream(checkpoint=model, starts=starts))


def test_episodes_may_begin_as_those_of_an_environment() -> None:
    pusht = {"embodiment": "pusht", "env": "worldmodel/PushT-v0"}
    env = DreamVectorEnv(1, checkpoint="pusht", **pusht)
    assert len(env.starts) > 1
    assert (env.task, env.task_description) == ("dream", "Push the T-shaped block onto the T-shaped target.")
    with pytest.raises(InputError, match="wanted starts or env"):
        DreamVectorEnv(1, checkpoint=tiny.model())


def test_a_gripper_begins_at_its_table() -> None:
    env = DreamVectorEnv(1, checkpoint=WorldModel(tiny.model(32, 32).config, [GRIPPER]), max_steps=2)
    assert env.reset(seed=0)[0]["pixels"].shape == (1, 32, 32, 3)
    assert env.task_description == "Push the block onto the marked place."
    assert env.single_action_space.shape == (4,)


def test_gymnasium_approves_of_a_single_one() -> None:
    env = gymnasium.make("worldmodel/Dream-v0", checkpoint=tiny.model(), starts=STARTS, disable_env_checker=True)
    check_env(env.unwrapped)
    assert isinstance(env.unwrapped, Dream)
    assert env.unwrapped.render().shape == (32, 64, 3)
    assert env.metadata["render_fps"] == tiny.ARM.fps


def test_gymnasium_makes_a_batch() -> None:
    env = gymnasium.make_vec("envs:worldmodel/Dream-v0", num_envs=2, checkpoint=tiny.model(), starts=STARTS)
    assert isinstance(env, DreamVectorEnv)
    assert env.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    assert env.metadata["render_fps"] == tiny.ARM.fps
    env.reset(seed=0)
    assert env.step(env.action_space.sample())[0]["pixels"].shape == (2, 32, 64, 3)
    assert len(env.render()) == 2


def test_it_begins_from_recordings(tmp_path) -> None:
    writer = LeRobotWriter(tmp_path / "set", 10.0, tiny.ARM, height=32, width=64)
    frames = RNG.integers(0, 256, (20, 32, 64, 3), dtype=np.uint8)
    writer.add(
        Episode(
            frames={"pixels": frames},
            actions=RNG.random((20, 2), dtype=np.float32),
            state=RNG.random((20, 2), dtype=np.float32),
            action_mask=np.ones(20, bool),
            fps=10.0,
            embodiment="arm",
            episode_id="0",
            source="test",
            licence="CC0-1.0",
        )
    )
    writer.close()
    env = make(2, starts=tmp_path / "set", context_frames=4)
    assert {start[0].shape for start in env.starts} == {(4, 32, 64, 3)}
    env.reset(seed=0)
    env.step(actions(env, 1)[0])


def test_it_begins_where_the_real_environment_does() -> None:
    single = gymnasium.make("worldmodel/Dream-v0", sampling_steps=1)
    shown = single.reset(seed=0)[0]["pixels"]
    real = gymnasium.make("worldmodel/PushT-v0", size=64)
    firsts = [real.reset(seed=seed)[0]["pixels"] for seed in range(64)]
    assert any(np.abs(shown.astype(int) - first).mean() < 4 for first in firsts)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"starts": []}, "no start"),
        ({"starts": None}, "no environment is known for embodiment 'arm'"),
        ({"num_envs": 0}, "0 environments"),
        ({"embodiment": "cat"}, "embodiment 'cat'"),
        ({"starts": "nowhere/at/all"}, "nowhere/at/all"),
        ({"starts": None, "env": "worldmodel/TablePush-v0"}, r"actions of shape \(4,\), wanted \(2,\) of .* 'arm'"),
        (
            {"starts": [(STARTS[0][0][:, :16], STARTS[0][1])]},
            r"start 0 has uint8 frames .* wanted uint8 \(t, 32, 64, 3\)",
        ),
        ({"starts": [(STARTS[0][0] / 255, STARTS[0][1])]}, "start 0 has float64 frames"),
        ({"starts": [STARTS[0], (STARTS[0][0], STARTS[0][1][:1])]}, r"start 1 has actions of shape \(1, 2\), wanted"),
    ],
)
def test_wrong_settings_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**options)


def test_wrong_actions_are_refused() -> None:
    env = make()
    env.reset(seed=0)
    for wrong in (np.zeros((2, 2), np.float32), np.full((3, 2), np.nan, np.float32)):
        with pytest.raises(InputError, match="actions: found shape"):
            env.step(wrong)


def test_wrong_resets_are_refused() -> None:
    env = make()
    with pytest.raises(ResetNeeded, match="wanted reset first"):
        env.step(env.action_space.sample())
    env.reset(options={"reset_mask": np.array([True, True, False])})
    with pytest.raises(ResetNeeded, match="wanted reset first"):
        env.step(env.action_space.sample())
    for wrong in ({"seed": [1, 2]}, {"options": {"reset_mask": np.ones(2, bool)}}):
        with pytest.raises(InputError, match="wanted one of each for 3 environments"):
            env.reset(**wrong)


def test_starts_may_be_of_several_lengths() -> None:
    env = make(starts=[STARTS[0], (STARTS[1][0][:1], STARTS[1][1][:0])])
    env.reset(seed=0)
    assert env.step(actions(env, 1)[0])[0]["pixels"].shape == (3, 32, 64, 3)
