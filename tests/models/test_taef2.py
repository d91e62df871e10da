from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from worldmodel.models.taef2 import Taef2, holds_taef2, load_taef2
from worldmodel.types import InputError

SHARED = Path(__file__).parents[3] / "shared"


@pytest.fixture(scope="module")
def network() -> Taef2:
    return Taef2().eval().requires_grad_(False)


def write_as_on_the_hub(network: Taef2, folder: Path, leave_out: str = "") -> None:
    """One file, layers named after diffusers' AutoencoderTiny."""
    weights = {}
    for part in ("encoder", "decoder"):
        for key, value in network.get_submodule(part).state_dict().items():
            weights[f"{part}.layers.{key}"] = value.half().contiguous()
    save_file({key: value for key, value in weights.items() if key != leave_out}, folder / "taef2.safetensors")


def write_as_on_github(network: Taef2, folder: Path) -> None:
    """Two files; the decoder's layer 0 is the bound of the latents, which has no weights."""
    torch.save({key: value.half() for key, value in network.encoder.state_dict().items()}, folder / "taef2_encoder.pth")
    shifted = {}
    for key, value in network.decoder.state_dict().items():
        layer, rest = key.split(".", 1)
        shifted[f"{int(layer) + 1}.{rest}"] = value.half()
    torch.save(shifted, folder / "taef2_decoder.pth")


def test_shapes(network: Taef2) -> None:
    frames = torch.randint(0, 256, (2, 1, 32, 48, 3), dtype=torch.uint8)
    latents = network.encode(frames)
    assert latents.shape == (2, 1, 4, 6, 32)
    decoded = network.decode(latents)
    assert decoded.shape == frames.shape
    assert decoded.dtype == torch.uint8
    with pytest.raises(InputError, match="frame size 40x48: wanted height and width divisible by 16"):
        network.encode(torch.zeros(1, 40, 48, 3, dtype=torch.uint8))


def test_statistics_normalise_and_do_not_change_pictures(network: Taef2) -> None:
    frames = torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8)
    before = network.decode(network.encode(frames))
    fitted = Taef2().eval().requires_grad_(False)
    fitted.load_state_dict(network.state_dict())
    fitted.fit_statistics(fitted.bottleneck(frames.permute(0, 3, 1, 2) / 255.0))
    latents = fitted.encode(frames)
    torch.testing.assert_close(latents.mean((0, 1, 2)), torch.zeros(32), atol=1e-3, rtol=0)
    torch.testing.assert_close(latents.std((0, 1, 2)), torch.ones(32), atol=2e-2, rtol=0)
    assert (fitted.decode(latents).int() - before.int()).abs().max() <= 1


def test_decoder_bounds_its_latents(network: Taef2) -> None:
    far, further = torch.full((1, 32, 2, 2), 40.0), torch.full((1, 32, 2, 2), 4000.0)
    torch.testing.assert_close(network.reconstruct(far), network.reconstruct(further))


@pytest.mark.parametrize("write", [write_as_on_the_hub, write_as_on_github])
def test_both_layouts_bring_the_same_weights(network: Taef2, write, tmp_path: Path) -> None:
    assert not holds_taef2(tmp_path)
    write(network, tmp_path)
    assert holds_taef2(tmp_path)
    loaded = load_taef2(tmp_path)
    for key, value in network.state_dict().items():
        assert loaded.state_dict()[key].dtype == torch.float32
        torch.testing.assert_close(loaded.state_dict()[key], value.half().float(), msg=key)


def test_incomplete_and_damaged_weights_are_refused(network: Taef2, tmp_path: Path) -> None:
    write_as_on_the_hub(network, tmp_path, leave_out="encoder.layers.0.bias")
    with pytest.raises(InputError, match=r"cannot be read .*wanted TAEF2's weights"):
        load_taef2(tmp_path)
    (tmp_path / "taef2.safetensors").write_bytes(b"no weights")
    with pytest.raises(InputError, match=r"cannot be read .*wanted TAEF2's weights"):
        load_taef2(tmp_path)
    (tmp_path / "taef2.safetensors").unlink()
    for half in ("encoder", "decoder"):
        (tmp_path / f"taef2_{half}.pth").write_bytes(b"no weights")
    with pytest.raises(InputError, match=r"cannot be read .*wanted TAEF2's weights"):
        load_taef2(tmp_path)


def test_real_weights_keep_a_real_picture() -> None:
    weights, recordings = SHARED / "weights/taef2", SHARED / "data/pusht_human.hdf5"
    if not (holds_taef2(weights) and recordings.exists()):
        pytest.skip("../shared has no TAEF2 weights or no Push-T recordings")
    from worldmodel.data.open import open_dataset

    tokenizer = load_taef2(weights).eval().requires_grad_(False)
    pictures = next(iter(open_dataset(recordings)[0].frames.values()))
    frames = torch.from_numpy(pictures[:1])
    decoded = tokenizer.decode(tokenizer.encode(frames))
    mse = ((frames.float() - decoded.float()) / 255.0).square().mean()
    assert -10 * torch.log10(mse) > 25
