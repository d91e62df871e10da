from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKLWan, AutoencoderTiny
from safetensors.torch import load_file, save_file

from worldmodel.models.diffusers_tokenizer import TinyTokenizer, WanTokenizer, empty_diffusers, load_diffusers
from worldmodel.types import InputError


def tiny() -> TinyTokenizer:
    widths = (4, 4, 4, 4)
    network = AutoencoderTiny(
        encoder_block_out_channels=widths,
        decoder_block_out_channels=widths,
        latent_channels=4,
        scaling_factor=0.5,
        shift_factor=0.25,
    )
    return TinyTokenizer(network).eval().requires_grad_(False)


def wan() -> WanTokenizer:
    network = AutoencoderKLWan(
        base_dim=4, z_dim=4, num_res_blocks=1, latents_mean=[0.1, 0.2, 0.3, 0.4], latents_std=[2.0, 2.0, 1.0, 1.0]
    )
    return WanTokenizer(network).eval().requires_grad_(False)


@pytest.fixture(scope="module", params=[tiny, wan])
def tokenizer(request) -> TinyTokenizer | WanTokenizer:
    return request.param()


@pytest.fixture(scope="module")
def video() -> WanTokenizer:
    return wan()


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, (*shape, 3), dtype=torch.uint8)


def test_shapes(tokenizer: TinyTokenizer | WanTokenizer) -> None:
    frames = noise(2, 2, 16, 32)
    latents = tokenizer.encode(frames)
    assert latents.shape == (2, 2, 2, 4, 4)
    assert (tokenizer.channels, tokenizer.downsample) == (4, 8)
    decoded = tokenizer.decode(latents)
    assert decoded.shape == frames.shape
    assert decoded.dtype == torch.uint8
    with pytest.raises(InputError, match="frame size 24x32: wanted height and width divisible by 16"):
        tokenizer.encode(noise(1, 24, 32))


def test_published_statistics_are_used() -> None:
    frames = noise(1, 16, 16)
    small, video = tiny(), wan()
    raw = small.autoencoder.encode(2.0 * frames.permute(0, 3, 1, 2) / 255.0 - 1.0).latents
    torch.testing.assert_close(small.encode(frames), ((raw - 0.25) * 0.5).permute(0, 2, 3, 1))
    assert video.latent_std.tolist() == [2.0, 2.0, 1.0, 1.0]


def test_statistics_can_be_fitted(tokenizer: TinyTokenizer | WanTokenizer) -> None:
    frames = noise(4, 16, 16)
    tokenizer.fit_statistics(tokenizer.bottleneck(frames.permute(0, 3, 1, 2) / 255.0))
    torch.testing.assert_close(tokenizer.encode(frames).mean((0, 1, 2)), torch.zeros(4), atol=1e-3, rtol=0)


def test_time_is_compressed_after_the_first_frame(video: WanTokenizer) -> None:
    clips = noise(2, 5, 16, 16)
    latents = video.encode_clips(clips)
    assert latents.shape == (2, 2, 2, 2, 4)
    assert video.decode_clips(latents).shape == clips.shape
    torch.testing.assert_close(latents[:, 0], video.encode(clips[:, 0]), atol=1e-4, rtol=1e-4)
    assert video.encode_clips(clips[:, :1]).shape == (2, 1, 2, 2, 4)


def test_latents_see_only_their_own_frames_and_the_past(video: WanTokenizer) -> None:
    clips = noise(1, 9, 16, 16)
    other = clips.clone()
    other[:, 5:] = noise(1, 4, 16, 16)
    before, after = video.encode_clips(clips), video.encode_clips(other)
    torch.testing.assert_close(before[:, :2], after[:, :2])
    assert (before[:, 2] - after[:, 2]).abs().max() > 1e-4


def test_frames_that_would_be_dropped_are_refused(video: WanTokenizer) -> None:
    with pytest.raises(InputError, match=r"clip of 6 frames: wanted 1 \+ a multiple of 4"):
        video.encode_clips(noise(1, 6, 16, 16))


def test_architecture_makes_the_network_again(tokenizer: TinyTokenizer | WanTokenizer) -> None:
    again = empty_diffusers(tokenizer.architecture).eval()
    again.load_state_dict(tokenizer.state_dict())
    frames = noise(1, 16, 16)
    torch.testing.assert_close(again.encode(frames), tokenizer.encode(frames))


def test_what_was_saved_is_loaded(tokenizer: TinyTokenizer | WanTokenizer, tmp_path: Path) -> None:
    name = type(tokenizer.autoencoder).__name__
    tokenizer.autoencoder.half().save_pretrained(tmp_path)
    tokenizer.autoencoder.float()
    loaded = load_diffusers(tmp_path, name)
    frames = noise(1, 16, 16)
    assert loaded.encode(frames).shape == (1, 2, 2, 4)
    assert {value.dtype for value in loaded.parameters()} == {torch.float32}
    weights = tmp_path / "diffusion_pytorch_model.safetensors"
    save_file(dict(list(load_file(weights).items())[1:]), weights, metadata={"format": "pt"})
    with pytest.raises(InputError, match=f"wanted all of an {name}"):
        load_diffusers(tmp_path, name)
    weights.write_bytes(b"no weights")
    with pytest.raises(InputError, match=f"cannot be read .*wanted the weights of an {name}"):
        load_diffusers(tmp_path, name)
