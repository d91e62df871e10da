from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from envs import extras
from envs.metaworld_tasks import DESCRIPTIONS
from tests.envs.outside import assert_same_outside
from worldmodel.data.embodiments import METAWORLD
from worldmodel.types import InputError

CAMERAS = ["topview", "corner", "corner2", "corner3", "behindGripper", "gripperPOV"]
ACTION = np.array([0.5, -0.5, 0.2, 1], np.float32)


def make(task: str = "reach-v3", **options: Any) -> Any:
    """The environment itself, without Gymnasium's wrappers."""
    return gymnasium.make("envs:worldmodel/MetaWorld-v0", task=task, **options).unwrapped


def test_gymnasium_accepts_it():
    env = gymnasium.make("envs:worldmodel/MetaWorld-v0", task="drawer-open-v3")
    check_env(env.unwrapped)
    observation, info = env.reset(seed=0)
    assert observation["pixels"].shape == (64, 64, 3)
    assert observation["agent_pos"].dtype == np.float32
    assert (info["is_success"], env.metadata["render_fps"]) == (False, METAWORLD.fps)
    assert env.spec is not None
    assert env.spec.max_episode_steps == 500
    assert env.get_wrapper_attr("task") == "drawer-open-v3"
    assert env.get_wrapper_attr("task_description") == "Open a drawer."
    assert env.render().shape == (384, 384, 3)
    env.close()


def test_every_task_of_metaworld_is_there():
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS  # imports mujoco, for which envs must have chosen OpenGL

    assert DESCRIPTIONS.keys() == ALL_V3_ENVIRONMENTS.keys()
    assert len(DESCRIPTIONS) == 50
    assert all(text.endswith(".") for text in DESCRIPTIONS.values())


@pytest.mark.parametrize("task", DESCRIPTIONS)
def test_a_seed_tells_everything_whatever_was_before(task: str):
    env, other = make(task, cameras=[]), make(task, cameras=[])
    starts = {}
    for seed in (5, 6):
        env.reset(seed=seed)
        starts[seed] = env.privileged_state["observation"]
    for _ in range(3):
        observation, reward, terminated, truncated, info = env.step(ACTION)
        assert env.observation_space.contains(observation)
        assert 0 <= reward <= 1
        assert (terminated, truncated) == (info["is_success"], False)
    other.reset(seed=5)
    env.reset(seed=5)
    for world in (env, other):
        np.testing.assert_array_equal(world.privileged_state["observation"], starts[5])
    rows = [world.step(ACTION)[0]["agent_pos"] for world in (env, other)]
    np.testing.assert_array_equal(*rows)
    np.testing.assert_array_equal(env.privileged_state["observation"], other.privileged_state["observation"])
    assert (starts[5] != starts[6]).any()


def test_without_a_seed_episodes_go_on_from_the_one_before():
    drawn = []
    for _ in range(2):
        env = make(cameras=[])
        env.reset(seed=1)
        env.reset()
        drawn.append(env.privileged_state["observation"])
    np.testing.assert_array_equal(*drawn)
    env.reset()
    assert (env.privileged_state["observation"] != drawn[0]).any()


def test_the_same_seed_gives_the_same_episode_in_another_process():
    code = """
import zlib, gymnasium, numpy as np
digest = 0
for task in ("reach-v3", "stick-pull-v3"):
    env = gymnasium.make("envs:worldmodel/MetaWorld-v0", task=task, cameras=["corner2", "gripperPOV"])
    observation, _ = env.reset(seed=11)
    for t in range(3):
        observation, reward, *_ = env.step(np.array([0.3, 0.4 - 0.2 * t, -1, 0], np.float32))
        for part in (*observation["pixels"].values(), observation["agent_pos"], np.float64(reward)):
            digest = zlib.crc32(part.tobytes(), digest)
    env.close()
print(digest)
"""
    assert_same_outside(code)


def test_an_action_moves_the_hand_so_far():
    env = make(cameras=[])
    start = env.reset(seed=0)[0]["agent_pos"]
    for _ in range(5):
        env.step(np.array([1, -0.5, 9, -1], np.float32))
    for _ in range(20):
        observation = env.step(np.array([0, 0, 0, -1], np.float32))[0]
    assert list(observation) == ["agent_pos"]
    np.testing.assert_allclose(observation["agent_pos"][:3] - start[:3], [0.05, -0.025, 0.05], atol=0.01)
    assert observation["agent_pos"][3] > 0.9
    for _ in range(20):
        observation = env.step(np.array([0, 0, 0, 1], np.float32))[0]
    assert observation["agent_pos"][3] < 0.5


def test_cameras_see_what_was_asked_for():
    env = make(cameras=CAMERAS, size=[48, 64])
    observation = env.reset(seed=2)[0]
    pixels = observation["pixels"]
    assert list(pixels) == CAMERAS
    assert {picture.shape for picture in pixels.values()} == {(48, 64, 3)}
    assert env.observation_space.contains(observation)
    # The arm is red, and hangs down from its base: below the hand there is none of it.
    red = [
        (pixels[name].astype(int) @ [2, -1, -1] > 100).mean((1, 2) if pixels[name].ndim == 4 else 1) for name in CAMERAS
    ]
    for name, rows in zip(CAMERAS, red, strict=True):
        if name.startswith("corner") or name == "behindGripper":
            assert rows[:24].sum() > rows[24:].sum(), name
    env.close()


def test_a_picture_shows_where_things_are_after_a_reset():
    env = make("drawer-open-v3")
    pixels = env.reset(seed=3)[0]["pixels"]
    again = env.reset(seed=3)[0]["pixels"]
    np.testing.assert_array_equal(pixels, again)
    assert np.abs(env.reset(seed=4)[0]["pixels"].astype(int) - pixels).mean() > 0.5
    env.close()


def test_success_is_held():
    env = make("reach-v3", cameras=[], hold=3)
    env.reset(seed=0)
    done = []
    while not done or not done[-1][0]:
        way = env.privileged_state["observation"][-3:] - env.privileged_state["observation"][:3]
        _, reward, terminated, _, info = env.step(np.array([*(10 * way), 0], np.float32))
        done.append((terminated, info["is_success"], reward))
    assert done[-3:] == [(False, True, 1.0), (False, True, 1.0), (True, True, 1.0)]
    assert all(reward < 1 for _, success, reward in done if not success)


def test_an_episode_may_be_longer_than_metaworlds():
    env = make(cameras=[], hold=1000)
    env.reset(seed=0)
    for _ in range(502):
        truncated = env.step(np.zeros(4, np.float32))[3]
    assert not truncated


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "fly-v3"}, "MetaWorld: task 'fly-v3' is unknown, wanted one of: assembly-v3, .*, window-open-v3"),
        ({"size": 60}, r"MetaWorld: frame size 60x60, wanted .* divisible by 16"),
        ({"size": [64]}, r"MetaWorld: size \[64\], wanted a number, or height and width"),
        ({"cameras": "fixed"}, r"MetaWorld: cameras \['fixed'\], wanted some of: topview, corner"),
        ({"hold": 0}, "MetaWorld: hold 0, wanted at least 1 step"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message) as caught:
        make(**options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("action", [np.zeros(3), np.array([0, 0, np.nan, 0])])
def test_a_bad_action_is_refused(action: np.ndarray):
    env = make(cameras=[])
    env.reset(seed=0)
    with pytest.raises(InputError, match=r"MetaWorld: action .* wanted 4 finite numbers"):
        env.step(action)


@pytest.mark.parametrize(
    ("name", "module", "extra"), [("MetaWorld", "metaworld", "metaworld"), ("Aloha", "gym_aloha", "aloha")]
)
def test_without_the_simulator_one_line_says_so(name: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(extras, "find_spec", lambda module: None)
    wanted = rf"{name}: package '{module}' is not installed, wanted: pip install 'worldmodel\[{extra}\]'"
    with pytest.raises(InputError, match=wanted):
        gymnasium.make(f"envs:worldmodel/{name}-v0")
