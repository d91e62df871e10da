from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest
from torch import Tensor

from policies.batch import BatchPolicy
from policies.world_action import BatchWorldActionPolicy, WorldActionPolicy, role
from tests.dot_world import DOT, DotEnv, DotModel
from tests.models import tiny
from worldmodel.types import EmbodimentSpec, InputError


class Recorder(DotModel):
    """Returns numbered actions and keeps what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[dict[str, Any]] = []
        self.encoded: list[int] = []

    def encode(self, frames: np.ndarray) -> Tensor:
        self.encoded.append(frames.shape[0] * frames.shape[1])
        return super().encode(frames)

    def act(
        self,
        context_frames: np.ndarray | Tensor,
        state: np.ndarray | None = None,
        text: str | None = None,
        **options: Any,
    ) -> np.ndarray:
        frames = self.decode(context_frames) if isinstance(context_frames, Tensor) else context_frames
        self.shown.append({"frames": frames, "state": state, "seed": options["seed"]})
        first = 100.0 * len(self.shown) + np.arange(self.chunk_length, dtype=np.float32)
        return np.repeat(first[None, :, None], len(context_frames), 0).repeat(2, 2)


def look(value: int, size: int = 32) -> dict[str, np.ndarray]:
    return {"pixels": np.full((size, size, 3), value, np.uint8), "agent_pos": np.full(2, value, np.float64)}


def test_the_first_part_of_every_chunk_is_carried_out() -> None:
    policy = WorldActionPolicy(Recorder(), execute=3)
    policy.reset(seed=7)
    assert [policy.act(look(0))[0] for _ in range(7)] == [100, 101, 102, 200, 201, 202, 300]


@pytest.mark.parametrize(("told", "carried_out"), [(2, 2), (8, 8), (20, 8)])
def test_without_a_word_the_model_says_how_much_of_a_chunk_is_carried_out(told: int, carried_out: int) -> None:
    model = Recorder()
    model.config = replace(model.config, execute=told)
    policy = WorldActionPolicy(model)
    actions = [policy.act(look(0))[0] for _ in range(9)]
    assert actions.index(200) == carried_out


def test_the_model_sees_the_last_frames_and_the_state_of_the_last_one() -> None:
    model = Recorder()
    policy = WorldActionPolicy(model, execute=3)
    policy.reset()
    for value in range(7):
        policy.act(look(value))
    contexts = [shown["frames"][0, :, 0, 0, 0].tolist() for shown in model.shown]
    assert contexts == [[0], [0, 1, 2, 3], [3, 4, 5, 6]]
    assert [shown["state"].tolist() for shown in model.shown] == [[[0, 0]], [[3, 3]], [[6, 6]]]
    assert model.shown[0]["state"].dtype == np.float32


def test_a_frame_is_encoded_once() -> None:
    model = Recorder()
    policy = BatchWorldActionPolicy(model, execute=2)
    policy.reset([0, 1])
    for value in range(6):
        policy.act({number: look(value) for number in (0, 1)})
    for value in range(6, 12):
        policy.act({1: look(value)})
    assert model.encoded == [2, 4, 4, 2, 2, 2]
    assert model.shown[-1]["frames"][0, :, 0, 0, 0].tolist() == [7, 8, 9, 10]


def test_where_time_is_compressed_all_frames_are_shown() -> None:
    model = Recorder()
    model.frames_per_latent = 4
    WorldActionPolicy(model).act(look(0))
    assert model.encoded == []


def test_reset_forgets_and_repeats() -> None:
    model = Recorder()
    policy = WorldActionPolicy(model, execute=2)
    for _ in range(2):
        policy.reset(seed=5)
        for value in (10, 20, 30):
            policy.act(look(value))
    half = len(model.shown) // 2
    for one, other in zip(model.shown[:half], model.shown[half:], strict=True):
        assert np.array_equal(one["frames"], other["frames"])
        assert one["seed"] == other["seed"]


def test_environments_are_planned_for_together_and_finish_apart() -> None:
    model = Recorder()
    policy = BatchWorldActionPolicy(model, execute=2)
    assert isinstance(policy, BatchPolicy)
    policy.reset([0, 1, 2])
    for running in ([0, 1, 2], [0, 1, 2], [0, 2], [0, 2], [2]):
        actions = policy.act({number: look(number) for number in running})
        assert sorted(actions) == running
    assert [len(shown["frames"]) for shown in model.shown] == [3, 2, 1]
    assert model.shown[1]["frames"].shape[1] == 3
    assert model.shown[1]["frames"][:, 0, 0, 0, 0].tolist() == [0, 2]


def test_pictures_are_brought_to_the_models_size_and_a_camera_is_chosen() -> None:
    model = Recorder()
    policy = WorldActionPolicy(model, camera="wrist")
    cameras = {"top": look(1, 64)["pixels"], "wrist": look(9, 64)["pixels"]}
    policy.act({"pixels": cameras, "agent_pos": np.zeros(2)})
    assert model.shown[0]["frames"].shape == (1, 1, 32, 32, 3)
    assert (model.shown[0]["frames"] == 9).all()


def test_it_reaches_the_goal() -> None:
    env, policy = DotEnv(), WorldActionPolicy(DotModel(), execute=8)
    observation, _ = env.reset(seed=3)
    policy.reset(seed=3)
    for _ in range(8):
        observation, _, terminated, _, info = env.step(policy.act(observation))
    assert terminated
    assert info["is_success"]


def test_a_body_without_state_gets_none() -> None:
    model = Recorder()
    model.embodiments = [EmbodimentSpec("dot", DOT.action)]
    WorldActionPolicy(model).act({"pixels": look(0)["pixels"]})
    assert model.shown[0]["state"] is None


def test_a_missing_state_and_an_impossible_chunk_are_named() -> None:
    with pytest.raises(InputError, match="no 'agent_pos'"):
        WorldActionPolicy(DotModel()).act({"pixels": look(0)["pixels"]})
    for execute in (0, 9):
        with pytest.raises(InputError, match=f"execute {execute}, wanted 1 to 8"):
            WorldActionPolicy(DotModel(), execute=execute)


def test_the_real_model_acts() -> None:
    policy = WorldActionPolicy(tiny.model(), execute=2)
    policy.reset(seed=1)
    actions = [policy.act(look(value)) for value in (0, 50, 100)]
    policy.reset(seed=1)
    assert np.array_equal(actions, [policy.act(look(value)) for value in (0, 50, 100)])
    assert actions[0].shape == (2,)
    assert actions[0].dtype == np.float32


def test_a_role_is_found_in_an_environment() -> None:
    model = tiny.model()
    push = gymnasium.make("envs:worldmodel/TablePush-v0")
    assert role(model, push) == {"embodiment": "gripper", "text": "Push the block onto the marked place."}
    with pytest.raises(InputError, match="embodiment 'pusht', the model knows arm, gripper"):
        role(model, gymnasium.make("envs:worldmodel/PushT-v0"))
    assert role(DotModel(), push)["embodiment"] == "dot"
    with pytest.raises(InputError, match="embodiment 'leg', the model knows"):
        WorldActionPolicy(model, execute=2, embodiment="leg")


def test_instructions_reach_a_model_that_reads_them() -> None:
    class Reader(Recorder):
        reads_text = True

        def act(self, context_frames: Any, state: Any = None, text: Any = None, **options: Any) -> np.ndarray:
            self.texts = text
            return super().act(context_frames, state, text, **options)

    model = Reader()
    policy = BatchWorldActionPolicy(model, text="push")
    policy.reset([0, 1])
    policy.act({0: look(0), 1: look(1) | {"text": "pull"}})
    assert model.texts == ["push", "pull"]
