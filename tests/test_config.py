from pathlib import Path

import pytest

from worldmodel.config import load_config, to_yaml
from worldmodel.types import InputError

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))
TEXT = """
name: small
output: runs/small
datasets: {a: {path: somewhere}}
stages:
  tokenizer: {steps: 10, learning_rate: 1.0e-3}
  midtrain: {steps: 20, mixture: {a: 1.0}}
"""


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "small.yaml"
    file.write_text(TEXT)
    return str(file)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_recipe_is_valid(path):
    config = load_config(str(path))
    assert config.name == path.stem


def test_defaults_overrides_and_round_trip(path, tmp_path):
    config = load_config(path, ["--seed", "3", "--stages.tokenizer.batch=4", "--model.backbone.width", "64"])
    assert (config.seed, config.stages["tokenizer"].batch, config.model.backbone.width) == (3, 4, 64)
    assert config.stages["midtrain"].steps == 20
    (tmp_path / "again.yaml").write_text(to_yaml(config))
    assert load_config(str(tmp_path / "again.yaml")) == config


def test_includes_are_relative_to_the_file(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/tokenizer.yaml").write_text("{steps: 7}")
    (tmp_path / "run.yaml").write_text(
        "{name: a, output: b, datasets: {a: {path: c}}, stages: {tokenizer: !include parts/tokenizer.yaml}}"
    )
    assert load_config(str(tmp_path / "run.yaml")).stages["tokenizer"].steps == 7


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sed", "3"], "`sed`"),
        (["--model.backbone.widht", "3"], "`widht`"),
        (["--stages.tokenizer.batch", "many"], "Couldn't parse 'many' into an int"),
        (["--stages.tokenizer.batch", "0"], "batch: found 0, wanted at least 1"),
        (["--stages.tokenizer.workers", "-1"], "workers: found -1, wanted at least 0"),
        (["--stages.midtrain.act_window", "9"], "act_window: found 9, wanted 0 or 2 to window"),
        (["--model.execute", "0"], "execute: found 0, wanted at least 1 action"),
        (["--model.refresh", "8"], "refresh: found 8, wanted 0 to below backbone.window"),
        (["--model.noise_scale", "1.5"], "noise_scale: found 1.5, wanted 0 to 1"),
        (["--stages.tokenizer.crop", "50"], "crop: found 50, wanted a number of px divisible by 16"),
        (["--stages.midtrain.act_share", "2"], "act_share: found 2.0, wanted a share from 0 to 1"),
        (["--stages.midtrain.precision", "half"], "precision: found 'half', wanted one of float32, bfloat16"),
        (["--stages.tokenizer.optimizer", "sgd"], "wanted 'adamw' or 'muon'"),
        (["--stages.midtrain.mixture.b", "1"], "mixture: unknown b"),
        (["--stages.dream.steps", "3"], "found dream, wanted some of tokenizer"),
        (["--model.height", "60"], "frame size 60x64"),
        (["--wandb", "maybe"], "wanted off, offline or online"),
        (["seed", "3"], "wanted pairs"),
        (["--seed"], "wanted pairs"),
        (["--name.first", "3"], "name is a single value"),
    ],
)
def test_typos_are_refused_in_one_line(path, words, message):
    with pytest.raises(InputError, match=message) as error:
        load_config(path, words)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["a: [", "just words", "", "name: x"])
def test_files_that_are_no_recipe_are_refused(tmp_path, text):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(InputError, match=r"bad\.yaml"):
        load_config(str(tmp_path / "bad.yaml"))


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_config(str(tmp_path / "none.yaml"))


def test_order_of_stages(tmp_path):
    (tmp_path / "bad.yaml").write_text(
        "{name: a, output: b, datasets: {a: {path: c}}, stages: {midtrain: {steps: 1}, tokenizer: {steps: 1}}}"
    )
    with pytest.raises(InputError, match="found the order midtrain, tokenizer"):
        load_config(str(tmp_path / "bad.yaml"))
