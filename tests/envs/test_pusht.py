import subprocess
import sys

import gymnasium
import h5py
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from envs.pusht import PushT
from tests.data.making import SHARED
from worldmodel.data.embodiments import PUSHT
from worldmodel.data.frames import resize_frames
from worldmodel.types import InputError

ENV_ID = "envs:worldmodel/PushT-v0"
STATE = np.array([100.0, 200.0, 300.0, 250.0, 1.25])


@pytest.mark.parametrize("size", [64, 96])
@pytest.mark.filterwarnings("ignore:.*symmetric and normalized")
def test_gymnasium_accepts_it(size: int):
    env = gymnasium.make(ENV_ID, size=size)
    check_env(env.unwrapped)
    observation, info = env.reset(seed=0)
    assert observation["pixels"].shape == (size, size, 3)
    assert observation["agent_pos"].dtype == np.float32
    assert (info["is_success"], env.metadata["render_fps"]) == (False, 10)
    assert env.spec is not None
    assert env.spec.max_episode_steps == 300
    assert env.get_wrapper_attr("task") == "push-t"
    assert env.get_wrapper_attr("task_description")
    env.close()


def test_a_size_that_cannot_be_cut_is_refused():
    with pytest.raises(InputError, match=r"Push-T: frame size 60x60, wanted .* divisible by 16"):
        gymnasium.make(ENV_ID, size=60)


def test_the_state_set_is_the_state_read():
    env = PushT(size=64)
    observation, _ = env.reset(seed=3, options={"state": STATE})
    np.testing.assert_allclose(env.state, STATE, atol=1e-9)
    np.testing.assert_allclose(observation["agent_pos"], STATE[:2], atol=1e-4)
    env.step(STATE[:2].astype(np.float32))
    np.testing.assert_allclose(env.state, STATE, atol=1e-6)  # and nothing moves by itself


@pytest.mark.parametrize("state", [np.zeros(4), np.array([1, 2, 3, 4, np.nan])])
def test_a_bad_state_is_refused(state: np.ndarray):
    with pytest.raises(InputError, match="wanted 5 finite numbers"):
        PushT().reset(options={"state": state})


def test_small_pictures_are_made_as_recordings_are():
    small, large = PushT(size=64), PushT(size=96)
    pictures = [env.reset(options={"state": STATE})[0]["pixels"] for env in (small, large)]
    np.testing.assert_array_equal(pictures[0], resize_frames(pictures[1][None], 64, 64)[0])


def test_the_pusher_goes_where_it_is_told_and_pushes():
    env = PushT(size=64)
    env.reset(options={"state": [256, 100, 256, 200, 0.0]})
    for _ in range(30):
        observation, reward, terminated, truncated, info = env.step(np.array([256, 400], np.float32))
    np.testing.assert_allclose(observation["agent_pos"], (256, 400), atol=2)
    assert env.state[3] > 300
    assert 0 <= reward <= 1
    assert reward == pytest.approx(min(info["coverage"] / 0.95, 1))
    assert (terminated, truncated, info["is_success"]) == (False, False, False)


def test_full_cover_is_success():
    env = PushT(size=64)
    _, info = env.reset(options={"state": [50, 50, 256, 256, np.pi / 4]})
    assert info["coverage"] == pytest.approx(1.0)
    _, reward, terminated, _, info = env.step(np.array([50, 50], np.float32))
    assert (reward, terminated, info["is_success"]) == (1.0, True, True)


def test_the_pusher_stays_in_its_space_at_the_border():
    env = PushT(size=64)
    env.reset(options={"state": [256, 256, 100, 100, 0.0]})
    for x in [512] * 3 + [490, 512, 0, 0, 0, 30, 0]:
        observation = env.step(np.array([x, 256], np.float32))[0]
        assert env.observation_space.contains(observation)


def test_render_is_a_large_picture():
    env = PushT(size=64)
    env.reset(seed=0)
    env.step(np.array([100, 100], np.float32))
    assert env.render().shape == (384, 384, 3)


def test_the_same_seed_gives_the_same_episode_in_another_process():
    code = f"""
import zlib, gymnasium, numpy as np
env = gymnasium.make({ENV_ID!r}, size=64)
observation, _ = env.reset(seed=11)
digest = zlib.crc32(observation["pixels"])
for t in range(15):
    observation, *_ = env.step(np.array([20 * t, 256], np.float32))
    digest = zlib.crc32(observation["pixels"], zlib.crc32(observation["agent_pos"], digest))
print(digest)
"""
    outside = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    inside: dict[str, int] = {}
    exec(code.replace("print(digest)", ""), inside)
    assert outside == f"{inside['digest']}\n"  # and pygame does not greet


def test_the_action_space_is_that_of_the_embodiment():
    env = PushT()
    assert isinstance(env.action_space, gymnasium.spaces.Box)
    np.testing.assert_array_equal(env.action_space.high, PUSHT.action.high)
    assert (PUSHT.action.names, PUSHT.action.points, PUSHT.fps) == (("target_x", "target_y"), ((0, 1),), 10.0)


@pytest.mark.skipif(not (SHARED / "pusht_human.hdf5").exists(), reason="shared data are not here")
def test_it_looks_like_the_human_recordings():
    env = PushT(size=96)
    with h5py.File(SHARED / "pusht_human.hdf5") as file:
        rows = np.linspace(0, len(file["data/state"]) - 1, 40).astype(int)
        states, pictures = file["data/state"][rows], file["data/img"][rows]
    errors = []
    for state, picture in zip(states, pictures, strict=True):
        pixels = env.reset(options={"state": state})[0]["pixels"]
        errors.append(np.square(pixels.astype(float) - picture).mean() / 255**2)
    # The rest is how another version of pygame draws edges; the block turned or shifted would be far below.
    assert -10 * np.log10(max(errors)) > 36
