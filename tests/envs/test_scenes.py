import os
import subprocess
import sys
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from envs.randomisation import MIN_HUE_GAP
from envs.scene import HAND_HIGH, LEASH_M, OPEN_M
from policies.experts import STEP_M, make_expert
from tests.envs.outside import assert_same_outside
from worldmodel.data.embodiments import GRIPPER
from worldmodel.data.frames import resize_frames
from worldmodel.types import InputError

NAMES = ("TablePush", "PickPlace", "Drawer")
UP = np.array([0, 0, 0.05, 0], np.float32)


def make(name: str, **options: Any) -> Any:
    """The scene itself, without Gymnasium's wrappers."""
    return gymnasium.make(f"envs:worldmodel/{name}-v0", **options).unwrapped


def unlike(first: np.ndarray, second: np.ndarray) -> float:
    """Mean difference of two pictures, of 255."""
    return float(np.abs(first.astype(int) - second).mean())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore:.*symmetric and normalized")
def test_gymnasium_accepts_it(name: str):
    env = gymnasium.make(f"envs:worldmodel/{name}-v0", level=2)
    check_env(env.unwrapped)
    observation, info = env.reset(seed=0)
    assert observation["pixels"].shape == (64, 64, 3)
    assert observation["agent_pos"].dtype == np.float32
    assert (info["is_success"], env.metadata["render_fps"]) == (False, GRIPPER.fps)
    assert env.spec is not None
    assert env.spec.max_episode_steps == 200
    assert env.get_wrapper_attr("task")
    assert env.get_wrapper_attr("task_description").endswith(".")
    assert env.render().shape == (384, 384, 3)
    env.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 60}, r"TablePush: frame size 60x60, wanted .* divisible by 16"),
        ({"cameras": "top"}, r"TablePush: cameras \['top'\], wanted some of: fixed, wrist"),
        ({"cameras": ["wrist", "wrist"]}, r"cameras \['wrist', 'wrist'\], wanted some of"),
        ({"level": 3}, "TablePush: randomisation level 3, wanted one of: 0, 1, 2"),
        ({"level": -1}, "randomisation level -1, wanted one of"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        make("TablePush", **options)


def test_an_unknown_task_is_refused():
    with pytest.raises(InputError, match="Drawer: task 'lock' is unknown, wanted one of: open, close"):
        make("Drawer", task="lock")


@pytest.mark.parametrize("action", [np.zeros(3), np.array([0, 0, np.nan, 0])])
def test_a_bad_action_is_refused(action: np.ndarray):
    env = make("TablePush", cameras=[])
    env.reset(seed=0)
    with pytest.raises(InputError, match=r"TablePush: action .* wanted 4 finite numbers"):
        env.step(action)


def test_the_same_seed_gives_the_same_episode_in_another_process():
    code = f"""
import zlib, gymnasium, numpy as np
digest = 0
for name in {NAMES!r}:
    env = gymnasium.make(f"envs:worldmodel/{{name}}-v0", cameras=["fixed", "wrist"], level=2)
    observation, _ = env.reset(seed=11)
    for t in range(6):
        observation, reward, *_ = env.step(np.array([0.03, 0.04 - 0.02 * t, -0.05, 0], np.float32))
        for part in (*observation["pixels"].values(), observation["agent_pos"], np.float64(reward)):
            digest = zlib.crc32(part.tobytes(), digest)
    env.close()
print(digest)
"""
    assert_same_outside(code)


@pytest.mark.parametrize("name", NAMES)
def test_what_was_before_does_not_matter(name: str):
    env = make(name, level=2)
    first = env.reset(seed=5)[0]
    later = env.step(UP)[0]
    env.reset(seed=6)
    for _ in range(5):
        env.step(env.action_space.high)
    again = env.reset(seed=5)[0]
    np.testing.assert_array_equal(again["pixels"], first["pixels"])
    np.testing.assert_array_equal(again["agent_pos"], first["agent_pos"])
    np.testing.assert_array_equal(env.step(UP)[0]["agent_pos"], later["agent_pos"])


def test_an_action_moves_the_gripper_so_far():
    env = make("TablePush", cameras=[])
    start = env.reset(seed=0)[0]["agent_pos"]
    assert env.observation_space.contains(env.reset(seed=0)[0])
    move = np.array([0.03, -0.02, 0.04, 0.05], np.float32)
    env.step(move)
    for _ in range(8):
        observation = env.step(np.array([0, 0, 0, 0.05], np.float32))[0]
    assert list(observation) == ["agent_pos"]
    np.testing.assert_allclose(observation["agent_pos"][:3] - start[:3], move[:3], atol=1e-3)
    np.testing.assert_allclose(observation["agent_pos"][3], 0.05, atol=2e-3)


def test_the_gripper_stays_where_it_may_be():
    env = make("TablePush", cameras=[])
    env.reset(seed=0)
    for _ in range(20):
        observation = env.step(np.array([9, 9, 9, 9], np.float32))[0]
        assert np.all(env.privileged_state["target"] - env.hand < LEASH_M + 1e-6)
        assert env.observation_space.contains(observation)
    np.testing.assert_allclose(observation["agent_pos"], [*HAND_HIGH, OPEN_M], atol=2e-3)


@pytest.mark.parametrize("name", NAMES)
def test_cameras_see_what_was_asked_for(name: str):
    both = make(name, cameras=["wrist", "fixed"])
    pixels = both.reset(seed=2)[0]["pixels"]
    assert list(pixels) == ["wrist", "fixed"]
    assert unlike(pixels["wrist"], pixels["fixed"]) > 10
    assert both.observation_space.contains(both.reset(seed=2)[0])
    wrist = make(name, cameras="wrist", size=128).reset(seed=2)[0]["pixels"]
    assert wrist.shape == (128, 128, 3)
    assert unlike(resize_frames(wrist[None], 64, 64)[0], pixels["wrist"]) < 4


@pytest.mark.parametrize("name", NAMES)
def test_levels_change_looks_and_nothing_else(name: str):
    scenes = [make(name, level=level) for level in (0, 1, 2)]
    for scene in scenes:
        scene.reset(seed=3)
    pictures = [[scene.reset(seed=seed)[0]["pixels"] for seed in (3, 4)] for scene in scenes]
    places = [scene.privileged_state for scene in scenes]
    for key, value in places[0].items():
        np.testing.assert_array_equal(places[1][key], value)
        np.testing.assert_array_equal(places[2][key], value)
    plain, coloured, all_of_it = scenes
    assert (coloured.model.mat_rgba != plain.model.mat_rgba).any()
    np.testing.assert_array_equal(coloured.model.cam_pos, plain.model.cam_pos)
    np.testing.assert_array_equal(coloured.model.light_dir, plain.model.light_dir)
    np.testing.assert_array_equal(all_of_it.model.mat_rgba, coloured.model.mat_rgba)
    for part in ("cam_pos", "cam_quat", "cam_fovy", "light_dir", "light_diffuse"):
        assert (getattr(all_of_it.model, part) != getattr(plain.model, part)).any()
    assert unlike(pictures[0][0], pictures[1][0]) > 4
    assert unlike(pictures[1][0], pictures[2][0]) > 2
    assert unlike(pictures[0][0], pictures[0][1]) > 0.5


def test_things_never_look_alike():
    env = make("Drawer", level=1, cameras=[])
    things = [env.model.material(name).id for name in ("object", "goal", "handle")]
    for seed in range(20):
        env.reset(seed=seed)
        colours = env.model.mat_rgba[things, :3]
        hues = np.sort([_hue(colour) for colour in colours])
        assert np.diff([*hues, hues[0] + 1]).min() > MIN_HUE_GAP - 1e-5


def _hue(colour: np.ndarray) -> float:
    import colorsys

    return colorsys.rgb_to_hsv(*colour.tolist())[0]


def test_a_block_on_the_mark_is_success():
    env = make("TablePush", cameras=[])
    env.reset(seed=0)
    far = env.step(UP)[1]
    mark = env.privileged_state["mark"]
    env.data.joint("block").qpos[:2] = mark[0] + 0.06, mark[1]
    near, terminated = env.step(UP)[1:3]
    assert (0 < far < near < 1, terminated) == (True, False)
    env.data.joint("block").qpos[:2] = mark[0] + 0.01, mark[1]
    assert env.step(UP)[1:] == (1.0, True, False, {"is_success": True})


def test_a_cube_in_the_bin_is_success_once_let_go():
    env = make("PickPlace", cameras=[])
    env.reset(seed=0)
    env.data.joint("cube").qpos[:3] = env.privileged_state["bin"] + (0, 0, 0.03)
    env.data.qpos[:3] = env._target = env.privileged_state["bin"] + (0, 0, 0.06)
    held, done = env.step(np.array([0, 0, 0, 0.08], np.float32))[1:3]
    assert (0.8 < held < 1, done) == (True, False)
    for _ in range(3):
        done = env.step(UP)[2]
    assert done


@pytest.mark.parametrize(("task", "end"), [("open", 0.14), ("close", 0.005)])
def test_a_drawer_at_its_end_is_success(task: str, end: float):
    env = make("Drawer", task=task, cameras=[])
    env.reset(seed=0)
    assert (env.task, env.task_description) == (task, f"{task.capitalize()} the drawer.")
    begin = env.step(UP)
    env.data.joint("drawer").qpos[0] = 0.075
    half = env.step(UP)
    env.data.joint("drawer").qpos[0] = end
    assert (0 < begin[1] < half[1] < 1, half[2]) == (True, False)
    assert env.step(UP)[1:] == (1.0, True, False, {"is_success": True})


def test_without_opengl_one_line_says_so():
    code = """
import mujoco, envs, gymnasium
try:
    gymnasium.make("envs:worldmodel/Drawer-v0").reset(seed=0)
except ValueError as error:
    print(type(error).__name__, error)
"""
    bare = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=bare)
    assert done.stdout.startswith("InputError no OpenGL for pictures")
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("name", NAMES)
def test_an_episode_may_go_on_until_success_was_held(name: str):
    env = make(name, hold=4, cameras=[])
    expert = make_expert(env)
    observation, _ = env.reset(seed=0)
    expert.reset(0)
    done = []
    while not (done and done[-1][0]) and len(done) < 300:
        observation, _, terminated, _, info = env.step(expert.act(observation))
        done.append((terminated, info["is_success"]))
    assert [success for _, success in done[-4:]] == [True] * 4
    assert [terminated for terminated, _ in done[-4:]] == [False, False, False, True]
    assert not done[-5][1]


def test_success_cannot_be_held_for_less_than_a_step():
    with pytest.raises(InputError, match="TablePush: hold 0, wanted at least 1 step"):
        make("TablePush", hold=0)


@pytest.mark.parametrize("name", NAMES)
def test_a_shaken_scene_disturbs_what_is_done(name: str):
    still, shaken, again = make(name, cameras=[]), make(name, cameras=[], shake=0.2), make(name, cameras=[], shake=0.2)
    for env in (still, shaken, again):
        env.reset(seed=1)
    hold = np.array([0, 0, 0, 0.04], np.float32)
    places = [[env.step(hold)[0]["agent_pos"] for _ in range(5)] for env in (still, shaken, again)]
    assert np.abs(np.subtract(places[0], places[1])).max() > 0.005
    np.testing.assert_array_equal(places[1], places[2])


def test_an_expert_corrects_what_it_did_not_mean():
    """The way that it shows is clean: as if nothing disturbed it, no move is longer than a careful one."""
    env = make("TablePush", cameras=[], shake=0.1)
    expert, done = make_expert(env), 0
    for seed in range(5):
        observation, info = env.reset(seed=seed)
        expert.reset(seed)
        for _ in range(200):
            action = expert.act(observation)
            assert np.abs(action[:3]).max() <= STEP_M + 1e-6
            observation, _, terminated, _, info = env.step(action)
            if terminated:
                break
        done += info["is_success"]
    assert done >= 4


def test_nothing_is_shaken_by_less_than_nothing():
    with pytest.raises(InputError, match=r"TablePush: shake -1\.0, wanted a share"):
        make("TablePush", shake=-1.0)
