"""Recipes on tokenizers that exist: TAEF2, AutoencoderTiny, AutoencoderKLWan, with random weights."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny

import worldmodel
from policies.world_action import WorldActionPolicy
from tests.commands.running import run
from tests.dot_world import DotEnv, DotSource
from tests.models.clip_model import wan_network
from tests.models.test_taef2 import write_as_on_the_hub
from tests.tiny_run import no_collect, no_evaluation
from worldmodel import trained_on
from worldmodel.config import load_config
from worldmodel.data.lerobot_writer import LeRobotWriter
from worldmodel.demo import perform
from worldmodel.models.taef2 import Taef2
from worldmodel.recipe import run_recipe
from worldmodel.types import InputError

RECIPE = """
name: dots
output: {output}
tokenizer: {tokenizer}
datasets:
  dots: {{path: {data}, held_out: 0.2, licence: CC0-1.0}}
model:
  height: 32
  width: 32
  backbone: {{width: 32, layers: 2, heads: 2, time_every: 2, window: 4, chunk: 3, chunk_tokens: 1}}
  sampling_steps: 1
stages:
  pretrain: {{steps: 1, batch: 2, window: 3, compile: false}}
  midtrain: {{steps: 2, batch: 2, window: 3, compile: false, act_share: 0.5}}
"""


def save_taef2(folder: Path) -> None:
    write_as_on_the_hub(Taef2(), folder)


def save_tiny(folder: Path, blocks: int = 4) -> None:
    widths, counts = (4,) * blocks, (1,) * blocks
    AutoencoderTiny(
        encoder_block_out_channels=widths,
        decoder_block_out_channels=widths,
        num_encoder_blocks=counts,
        num_decoder_blocks=counts,
    ).save_pretrained(folder)


def save_wan(folder: Path) -> None:
    wan_network().save_pretrained(folder)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings") / "dots"
    source = DotSource((20, 16, 14, 18, 12))
    writer = LeRobotWriter(folder, 10.0, source.embodiments[0], 32, 32, ["top"])
    for episode in source.episodes:
        writer.add(episode)
    writer.close()
    return folder


def write(folder: Path, data: Path, tokenizer: Path) -> str:
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.format(output=folder / "run", data=data, tokenizer=tokenizer))
    return str(path)


def train(folder: Path, data: Path, save: Callable[[Path], None]) -> Path:
    torch.manual_seed(0)
    (folder / "weights").mkdir()
    save(folder / "weights")
    return run_recipe(load_config(write(folder, data, folder / "weights")), no_collect, no_evaluation)


@pytest.mark.parametrize(("save", "span"), [(save_taef2, 1), (save_tiny, 1), (save_wan, 4)])
def test_a_run_its_checkpoint_and_the_commands(save, span: int, data: Path, tmp_path: Path) -> None:
    folder = train(tmp_path, data, save)
    # The checkpoint needs neither the folder of the tokenizer nor the network.
    shutil.rmtree(tmp_path / "weights")
    model = worldmodel.load(folder)
    assert model.frames_per_latent == span
    assert not any(parameter.requires_grad for parameter in model.tokenizer.parameters())
    assert str(tmp_path) not in json.dumps(json.loads((folder / "config.json").read_text())["model"])
    stage = worldmodel.load(tmp_path / "run/midtrain/checkpoint")
    for name, value in stage.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value.half().float(), msg=name)
    context = DotSource((5,))[0]
    assert model.imagine(context.frames["top"][None], context.actions[None]).shape == (1, 5, 32, 32, 3)
    assert model.act(context.frames["top"][None]).shape == (1, 3 * span, 2)
    card = (folder / "README.md").read_text()
    assert f"Tokenizer: `{tmp_path / 'weights'}` as it was." in card

    words = ("--checkpoint", folder, "--data", data)
    assert run("eval", *words, "--windows", 2, "--horizon", 6, "--output", tmp_path / "eval") == 0
    metrics = json.loads((tmp_path / "eval/metrics.json").read_text())
    assert metrics["data"]["context_frames"] == (4 if span == 1 else 5)
    assert len(metrics["frames"]["by_horizon"]["changed_psnr_db"]) == 6
    assert run("rollout", *words, "--steps", 6, "--episodes", 0, "--output", tmp_path / "rollout") == 0
    with np.load(tmp_path / "rollout/episode_0000.npz") as kept:
        assert kept["dreamed"].shape == (6, 32, 32, 3)
    assert run("info", folder) == 0
    perform(model, DotEnv(), WorldActionPolicy(model, 3), tmp_path, steps=9, seed=0)


def test_the_same_weights_after_a_second_run(data: Path, tmp_path: Path) -> None:
    """A finished run is found finished; a checkpoint of it begins another run, and brings its tokenizer."""
    folder = train(tmp_path, data, save_wan)
    before = (folder / "model.safetensors").read_bytes()
    path = write(tmp_path, data, tmp_path / "weights")
    run_recipe(load_config(path), no_collect, no_evaluation)
    assert (folder / "model.safetensors").read_bytes() == before

    words = ["--tokenizer", "null", "--init", str(folder), "--output", str(tmp_path / "second")]
    second = run_recipe(load_config(path, words), no_collect, no_evaluation)
    first, later = worldmodel.load(folder), worldmodel.load(second)
    for name, value in first.tokenizer.state_dict().items():
        torch.testing.assert_close(later.tokenizer.state_dict()[name], value, msg=name)
    assert f"They go on from the weights of `{folder}`." in (second / "README.md").read_text()
    config = load_config(path, [*words, "--stages", "{tokenizer: {steps: 1}}", "--output", str(tmp_path / "third")])
    with pytest.raises(InputError, match="its tokenizer is not ours and stays as it is, wanted no tokenizer stage"):
        run_recipe(config, no_collect, no_evaluation)


def test_latents_have_unit_scale_on_the_recordings(data: Path, tmp_path: Path) -> None:
    folder = train(tmp_path, data, save_tiny)
    model = worldmodel.load(folder)
    latents = torch.cat([model.encode(episode.frames["top"][None])[0] for episode in DotSource((20, 16)).episodes])
    torch.testing.assert_close(latents.mean((0, 1, 2)), torch.zeros(4), atol=0.3, rtol=0)
    torch.testing.assert_close(latents.std((0, 1, 2)), torch.ones(4), atol=0.3, rtol=0)


def test_tokenizer_of_a_checkpoint_of_ours(data: Path, tmp_path: Path) -> None:
    words = ["--model.height", "64", "--model.width", "64"]
    config = load_config(write(tmp_path, data, Path("pusht")), words)
    folder = run_recipe(config, no_collect, no_evaluation)
    ours, shipped = worldmodel.load(folder).tokenizer, worldmodel.load("pusht").tokenizer
    for (name, value), other in zip(ours.named_parameters(), shipped.parameters(), strict=True):
        torch.testing.assert_close(value, other, msg=name)
    learnt = json.loads((folder / "config.json").read_text())["training"]["episodes"]
    assert any(key.startswith("pusht: ") for key in learnt)
    assert trained_on.of_run(config, tmp_path / "run") == learnt


def test_licences_on_the_card(data: Path, tmp_path: Path) -> None:
    from worldmodel.model_card import model_card

    path = write(tmp_path, data, Path("taef2"))
    assert "Tokenizer: `taef2` as it was (licence: MIT)." in model_card(load_config(path), None, {})
    config = load_config(path, ["--tokenizer", "some/thing", "--tokenizer_licence", "CC-BY-4.0"])
    assert "Tokenizer: `some/thing` as it was (licence: CC-BY-4.0)." in model_card(config, None, {})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stages.tokenizer.steps", "3"], "stages: found the order"),
        (["--stages", "{tokenizer: {steps: 1}}"], "and a stage that would train another one, wanted one of them"),
        (["--init", "pusht"], "and init 'pusht', which brings its own, wanted one of them"),
        (["--model.tokenizer.channels", "8"], "and a shape in model.tokenizer, wanted one of them"),
        (["--tokenizer", "null"], "no tokenizer stage, no tokenizer and no init checkpoint"),
        (
            ["--tokenizer", "null", "--init", "pusht", "--model.tokenizer.architecture._class_name", "taef2"],
            "architecture: only checkpoints have it",
        ),
        (["--model.tokenizer.frames_per_latent", "4"], "frames_per_latent: found 4, ours takes 1"),
    ],
)
def test_settings_that_contradict_each_other(words: list[str], message: str, data: Path, tmp_path: Path) -> None:
    path = write(tmp_path, data, tmp_path / "weights")
    with pytest.raises(InputError, match=message) as error:
        load_config(path, words)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("save", "words", "message"),
    [
        (save_tiny, ["--tokenizer", "nowhere"], "nowhere: no such tokenizer"),
        (
            lambda folder: save_tiny(folder, 6),
            [],
            r"frame size 32x32: wanted height and width divisible by 64 \(the tokenizer's 32 pixels per latent cell",
        ),
        (
            save_wan,
            ["--stages.midtrain.act_augment.share", "0.5"],
            "stages.midtrain.act_augment: found share 0.5 and 4 frames per latent, wanted share 0",
        ),
        (save_wan, ["--stages.midtrain.window", "9"], "no episode has 9 frames.*; these are counted in latents"),
    ],
)
def test_what_does_not_fit_the_tokenizer(save, words: list[str], message: str, data: Path, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    save(tmp_path / "weights")
    path = write(tmp_path, data, tmp_path / "weights")
    with pytest.raises(InputError, match=message):
        run_recipe(load_config(path, words), no_collect, no_evaluation)
