import json

import numpy as np
import pytest
import torch

import worldmodel
from tests.models import tiny
from worldmodel import checkpoint
from worldmodel.types import InputError


@pytest.fixture
def folder(tmp_path):
    return checkpoint.save(tiny.model(), tmp_path / "arm", card="# arm\n", training={"seed": 1})


def test_a_saved_model_comes_back_the_same(folder):
    model = worldmodel.load(folder)
    ours, lerobots = ["README.md", "config.json", "model.safetensors"], ["policy_postprocessor", "policy_preprocessor"]
    assert sorted(path.name for path in folder.iterdir()) == [*ours, *(f"{name}.json" for name in lerobots)]
    assert [body.name for body in model.embodiments] == ["arm", "gripper"]
    for name, value in tiny.model().state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, atol=0, rtol=0)
    frames = np.zeros((1, 2, 32, 64, 3), np.uint8)
    np.testing.assert_array_equal(model.act(frames), tiny.model().act(frames))


def test_saving_again_replaces_the_old_one(folder):
    checkpoint.save(tiny.model(), folder, card="# new\n", training={})
    assert (folder / "README.md").read_text() == "# new\n"
    assert [path.name for path in folder.parent.iterdir()] == ["arm"]


def test_half_precision_halves_the_file_and_is_used_in_single(tmp_path, folder):
    half = checkpoint.save(tiny.model(), tmp_path / "half", card="", training={}, half=True)
    sizes = [(path / "model.safetensors").stat().st_size for path in (half, folder)]
    assert sizes[0] < 0.7 * sizes[1]
    for name, value in worldmodel.load(half).state_dict().items():
        assert value.dtype == torch.float32, name
        torch.testing.assert_close(value, tiny.model().state_dict()[name], atol=1e-3, rtol=1e-3)


def test_another_version_is_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"format_version": 99}))
    with pytest.raises(InputError, match="found format_version 99, wanted 1"):
        worldmodel.load(folder)


@pytest.mark.parametrize("text", ["{", "[]", '{"format_version": 1}', '{"format_version": 1, "model": {"x": 1}}'])
def test_damaged_config_is_refused(folder, text):
    (folder / "config.json").write_text(text)
    with pytest.raises(InputError, match=r"config\.json"):
        worldmodel.load(folder)


def test_truncated_or_missing_weights_are_refused(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"model\.safetensors: cannot be read"):
        worldmodel.load(folder)
    weights.unlink()
    with pytest.raises(InputError, match=r"model\.safetensors: cannot be read"):
        worldmodel.load(folder)


def test_weights_of_another_shape_are_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    config["model"]["backbone"]["width"] = 64
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"wanted the weights that config\.json describes"):
        worldmodel.load(folder)


def test_unknown_names_list_the_shipped_ones(tmp_path):
    with pytest.raises(InputError, match="not found; shipped are: "):
        worldmodel.load("nonsense")
    with pytest.raises(InputError, match=r"found no config.json in it"):
        worldmodel.load(tmp_path)
    with pytest.raises(InputError, match="no such folder, and the Hub gave no such checkpoint"):
        worldmodel.load("nobody/nothing")
