"""A model that counts latents inside counts frames outside."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.models import clip_model, tiny
from worldmodel import checkpoint
from worldmodel.models.world_model import WorldModel
from worldmodel.types import InputError


@pytest.fixture(scope="module")
def model() -> WorldModel:
    return clip_model.model()


def frames(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (1, count, 32, 64, 3), dtype=np.uint8)


def places(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, [64, 32], (1, count, 2)).astype(np.float32)


def test_lengths_are_counted_in_frames(model: WorldModel) -> None:
    assert model.frames_per_latent == 4
    assert model.context_frames == 1 + 3 * 4
    assert model.chunk_length == 6 * 4
    assert model.backbone.action_size == 3 * 4


def test_every_mode_gives_as_many_frames_and_actions_as_asked(model: WorldModel) -> None:
    context = frames(7)
    dreamed = model.imagine(context, places(5))
    assert dreamed.shape == (1, 5, 32, 64, 3)
    assert dreamed.dtype == np.uint8
    assert model.imagine_video(context, steps=3).shape == (1, 3, 32, 64, 3)
    both, invented = model.imagine_joint(context, steps=6)
    assert both.shape == (1, 6, 32, 64, 3)
    assert invented.shape == (1, 6, 2)
    chunk = model.act(context, state=np.full((1, 2), 8.0, np.float32))
    assert chunk.shape == (1, 24, 2)
    for values in (invented, chunk):
        assert (values >= [0, 0]).all()
        assert (values <= [64, 32]).all()
    shut = model.act(context, embodiment="gripper")
    assert shut.shape == (1, 24, 3)
    assert set(np.unique(shut[..., 2])) <= {-1.0, 1.0}


def test_the_last_group_is_filled_up_and_its_frames_are_cut(model: WorldModel) -> None:
    actions = places(6)
    filled = np.concatenate([actions, np.repeat(actions[:, -1:], 2, 1)], 1)
    np.testing.assert_array_equal(model.imagine(frames(5), actions), model.imagine(frames(5), filled)[:, :6])


def test_a_dream_does_not_depend_on_what_is_done_after_it(model: WorldModel) -> None:
    first = places(4)
    one, other = (model.imagine(frames(5), np.concatenate([first, places(4, seed)], 1)) for seed in (2, 3))
    np.testing.assert_array_equal(one[:, :4], other[:, :4])
    assert (one[:, 4:] != other[:, 4:]).any()


def test_the_oldest_frames_that_do_not_fit_are_left_out(model: WorldModel) -> None:
    context, before, actions = frames(7), places(6, seed=3), places(4)
    whole = model.imagine(context, actions, context_actions=before)
    np.testing.assert_array_equal(whole, model.imagine(context[:, 2:], actions, context_actions=before[:, 2:]))
    assert (whole != model.imagine(context[:, 2:], actions)).any()
    np.testing.assert_array_equal(model.act(context), model.act(context[:, 2:]))


def test_one_frame_is_context_enough(model: WorldModel) -> None:
    assert model.imagine(frames(1), places(1), context_actions=places(0)).shape == (1, 1, 32, 64, 3)
    assert model.act(frames(4)).shape == (1, 24, 2)


@pytest.mark.parametrize("count", [2, 5, 7, 9])
def test_actions_between_any_number_of_frames(model: WorldModel, count: int) -> None:
    shown = frames(count)
    inferred = model.infer_actions(shown)
    assert inferred.shape == (1, count - 1, 2)
    if count == 7:
        np.testing.assert_array_equal(inferred[:, :4], model.infer_actions(shown[:, :5]))
        np.testing.assert_array_equal(inferred[:, 4:], model.infer_actions(shown[:, 2:])[:, 2:])
    if count == 2:
        filled = np.concatenate([shown, np.repeat(shown[:, 1:], 3, 1)], 1)
        np.testing.assert_array_equal(inferred, model.infer_actions(filled)[:, :1])


def test_decoding_goes_on_from_the_context(model: WorldModel) -> None:
    latents = model.encode(frames(9))
    np.testing.assert_array_equal(model.decode_after(latents[:, :2], latents[:, 2:], 3), model.decode(latents)[:, 5:8])


def test_places_are_those_of_every_action_of_a_group(model: WorldModel) -> None:
    points = model.backbone.point_index[0]
    assert points.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert model.backbone.point_mask.tolist() == [[1.0] * 4, [0.0] * 4]


def test_the_last_action_of_a_group_moves_the_dream(model: WorldModel) -> None:
    other = places(4)
    other[:, 3] = 1.0
    assert (model.imagine(frames(1), places(4)) != model.imagine(frames(1), other)).any()


def test_a_checkpoint_dreams_the_same(model: WorldModel, tmp_path: Path) -> None:
    folder = checkpoint.save(model, tmp_path / "clips", card="", training={})
    again = checkpoint.load(folder)
    np.testing.assert_array_equal(again.imagine(frames(5), places(6)), model.imagine(frames(5), places(6)))
    values = json.loads((folder / "config.json").read_text())
    values["model"]["tokenizer"]["architecture"]["dim_mult"] = "many"
    (folder / "config.json").write_text(json.dumps(values))
    with pytest.raises(InputError, match="architecture: describes no AutoencoderKLWan"):
        checkpoint.load(folder)


def test_what_does_not_fit_is_refused(model: WorldModel) -> None:
    with pytest.raises(InputError, match=r"clip of 6 frames: wanted 1 \+ a multiple of 4"):
        model.encode(frames(6))
    with pytest.raises(InputError, match=r"actions: found shape \(1, 4, 2\), wanted \(1, 6, 2\)"):
        model.imagine(frames(7), places(4), context_actions=places(4))
    with pytest.raises(InputError, match="wanted uint8"):
        model.imagine(frames(5)[:, :, :16], places(4))


def test_one_frame_per_latent_is_as_before() -> None:
    model = tiny.model()
    assert (model.frames_per_latent, model.context_frames, model.chunk_length) == (1, 4, 6)
    latents = model.encode(frames(3))
    assert torch.equal(latents[0], model.tokenizer.encode(torch.from_numpy(frames(3)[0])))
