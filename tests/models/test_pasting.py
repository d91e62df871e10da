"""Latents pasted together from a picture and the one before."""

import pytest
import torch

from worldmodel.config import StageConfig
from worldmodel.models.pasting import MOST_BESIDE, paste
from worldmodel.models.tokenizer import Tokenizer, TokenizerConfig
from worldmodel.stages import TokenizerStage


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    """64 pictures and those before them, which differ in one pixel of the cell in row 4, column 5."""
    previous = torch.rand(64, 3, 64, 80)
    pixels = previous.clone()
    pixels[:, 1, 35, 42] += 0.5
    return pixels, previous


def test_what_stood_still_comes_from_the_picture_before():
    pixels, previous = pair()
    latents, before = torch.ones(64, 2, 8, 10), torch.zeros(64, 2, 8, 10)
    torch.manual_seed(0)
    mixed = paste(latents, before, pixels, previous)
    sides = set()
    for picture in mixed:
        assert torch.equal(picture[0], picture[1])
        rows, columns = picture[0].nonzero().T
        beside = (int(rows.max()) - 4, int(columns.max()) - 5)
        assert (int(rows.min()), int(columns.min())) == (4 - beside[0], 5 - beside[1])
        assert len(rows) == (2 * beside[0] + 1) ** 2
        sides.add(beside[0])
    assert sides == set(range(MOST_BESIDE + 1))


def test_pictures_that_are_the_same_are_all_from_before_and_noise_of_the_codec_counts_as_the_same():
    _, previous = pair()
    latents, before = torch.ones(64, 2, 8, 10), torch.zeros(64, 2, 8, 10)
    assert not paste(latents, before, previous + 1 / 255, previous).any()
    assert paste(latents, before, previous + 2 / 255, previous).all()


@pytest.mark.parametrize("decoder_share", [0.0, 0.9])
def test_a_tokenizer_learns_from_pasted_latents_encoder_and_decoder_or_the_decoder_alone(decoder_share: float):
    pixels, previous = ((255 * x[:2]).clamp(0, 255).byte().permute(0, 2, 3, 1) for x in pair())
    losses, touched = {}, {}
    for weight in (0.0, 1.0):
        torch.manual_seed(0)
        tokenizer = Tokenizer(TokenizerConfig(channels=4, width=8, stem_width=8, blocks=1))
        config = StageConfig(steps=10, compile=False, pasted=weight, decoder_share=decoder_share)
        _, loss = TokenizerStage(tokenizer, config, 0).loss(5, (pixels, previous))
        loss.backward()
        losses[weight] = float(loss)
        touched[weight] = tokenizer.encoder[1].weight.grad is not None  # pyright: ignore
    assert losses[1.0] > 1.5 * losses[0.0]
    assert touched[1.0] == (decoder_share == 0.0)
