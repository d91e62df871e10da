import pytest
import torch

from worldmodel.models.tokenizer import Tokenizer, TokenizerConfig, reconstruction_loss
from worldmodel.types import InputError

SMALL = TokenizerConfig(channels=4, width=8, stem_width=8, blocks=1)


@pytest.mark.parametrize("downsample", [4, 8])
def test_shapes_of_any_size_divisible_by_16(downsample):
    tokenizer = Tokenizer(TokenizerConfig(channels=4, downsample=downsample, width=8, stem_width=8, blocks=1))
    frames = torch.randint(0, 256, (2, 3, 48, 64, 3), dtype=torch.uint8)
    latents = tokenizer.encode(frames)
    assert latents.shape == (2, 3, 48 // downsample, 64 // downsample, 4)
    decoded = tokenizer.decode(latents)
    assert decoded.shape == frames.shape
    assert decoded.dtype == torch.uint8


def test_statistics_normalise_latents():
    tokenizer = Tokenizer(SMALL)
    frames = torch.randint(0, 256, (32, 32, 32, 3), dtype=torch.uint8)
    pixels = frames.permute(0, 3, 1, 2) / 255.0
    with torch.no_grad():
        tokenizer.fit_statistics(tokenizer.bottleneck(pixels))
        latents = tokenizer.encode(frames)
    torch.testing.assert_close(latents.mean((0, 1, 2)), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(latents.std((0, 1, 2)), torch.ones(4), atol=1e-2, rtol=0)


def test_pictures_go_to_where_the_weights_are():
    tokenizer = Tokenizer(SMALL).to("meta")
    latents = tokenizer.encode(torch.zeros(1, 32, 32, 3, dtype=torch.uint8))
    assert latents.device.type == "meta"
    assert tokenizer.decode(torch.zeros(latents.shape)).device.type == "meta"


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="frame size 60x64: wanted height and width divisible by 16"):
        Tokenizer(SMALL).encode(torch.zeros(1, 60, 64, 3, dtype=torch.uint8))
    with pytest.raises(InputError, match="found 16, wanted 4 or 8"):
        TokenizerConfig(downsample=16)


def test_changed_pixels_weigh_more():
    previous = torch.zeros(1, 3, 16, 16)
    pixels = previous.clone()
    pixels[:, :, :2, :2] = 1.0
    wrong_where_changed, wrong_elsewhere = pixels.clone(), pixels.clone()
    wrong_where_changed[:, :, :2, :2] = 0.5
    wrong_elsewhere[:, :, 4:6, 4:6] = 0.5
    heavy, light = (reconstruction_loss(x, pixels, previous) for x in (wrong_where_changed, wrong_elsewhere))
    torch.testing.assert_close(heavy / light, torch.tensor(20.0))
