import importlib.util
import json
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderTiny

from tests.models import tiny
from tests.models.test_taef2 import write_as_on_github, write_as_on_the_hub
from worldmodel import checkpoint
from worldmodel.models import tokenizers
from worldmodel.models.taef2 import Taef2
from worldmodel.models.tokenizer import Tokenizer
from worldmodel.models.tokenizers import empty_tokenizer, load_tokenizer
from worldmodel.types import InputError


def save_tiny(folder: Path) -> None:
    widths = (4, 4, 4, 4)
    AutoencoderTiny(encoder_block_out_channels=widths, decoder_block_out_channels=widths).save_pretrained(folder)


def test_taef2_in_a_folder_is_frozen(tmp_path: Path) -> None:
    write_as_on_github(Taef2(), tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    assert isinstance(tokenizer, Taef2)
    assert not tokenizer.training
    assert not any(parameter.requires_grad for parameter in tokenizer.parameters())


def test_taef2_by_name_comes_from_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_as_on_the_hub(Taef2(), tmp_path)
    asked = []
    monkeypatch.setattr(tokenizers, "snapshot_download", lambda name, **options: asked.append(name) or tmp_path)
    assert isinstance(load_tokenizer("taef2"), Taef2)
    assert asked == ["madebyollin/taef2"]


@pytest.mark.parametrize("place", [".", "vae"])
def test_autoencoder_of_diffusers_alone_or_in_a_pipeline(place: str, tmp_path: Path) -> None:
    save_tiny(tmp_path / place)
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.encode(torch.zeros(1, 16, 16, 3, dtype=torch.uint8)).shape == (1, 2, 2, 4)
    assert not any(parameter.requires_grad for parameter in tokenizer.parameters())


def test_own_tokenizer_of_a_checkpoint(tmp_path: Path) -> None:
    model = tiny.model()
    checkpoint.save(model, tmp_path / "own", card="", training={})
    tokenizer = load_tokenizer(tmp_path / "own")
    assert isinstance(tokenizer, Tokenizer)
    frames = torch.randint(0, 256, (1, 32, 64, 3), dtype=torch.uint8)
    torch.testing.assert_close(tokenizer.encode(frames), model.tokenizer.encode(frames))


def test_architecture_survives_json(tmp_path: Path) -> None:
    save_tiny(tmp_path)
    for tokenizer in (load_tokenizer(tmp_path), Taef2()):
        again = empty_tokenizer(json.loads(json.dumps(tokenizer.architecture)))
        again.load_state_dict(tokenizer.state_dict())
    with pytest.raises(InputError, match="found 'Other', wanted taef2 or AutoencoderTiny or AutoencoderKLWan"):
        empty_tokenizer({"_class_name": "Other"})


def test_what_is_no_tokenizer_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no such tokenizer, wanted taef2, a shipped checkpoint"):
        load_tokenizer("nowhere")
    with pytest.raises(InputError, match=r"the Hub gave no some/thing .*, wanted a tokenizer"):
        load_tokenizer("some/thing")
    with pytest.raises(InputError, match="found no tokenizer, wanted a checkpoint"):
        load_tokenizer(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config.json: not JSON, wanted a tokenizer's config.json"):
        load_tokenizer(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(InputError, match=r"config.json: found list, wanted a mapping"):
        load_tokenizer(tmp_path)
    save_tiny(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="diffusers is not installed, wanted pip install"):
        load_tokenizer(tmp_path)
