import json
from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange
from torch import Tensor

from tests.dot_world import DotSource
from worldmodel.commands import tokenizer_table
from worldmodel.commands.tokenizer_table import choose_clips, compare_tokenizers, measure
from worldmodel.models.frame_tokenizer import FrameTokenizer
from worldmodel.types import InputError


class Blocks(FrameTokenizer):
    """Loses nothing: the pixels of a cell are its channels. Pretends to take several frames per latent."""

    def __init__(self, frames_per_latent: int = 1) -> None:
        super().__init__(3 * 8 * 8, 8, {})
        self.frames_per_latent = frames_per_latent

    def bottleneck(self, pixels: Tensor) -> Tensor:
        return rearrange(pixels, "n c (h p) (w q) -> n (p q c) h w", p=8, q=8)

    def reconstruct(self, latents: Tensor) -> Tensor:
        return rearrange(latents, "n (p q c) h w -> n c (h p) (w q)", p=8, q=8)


@pytest.fixture
def dots(monkeypatch: pytest.MonkeyPatch) -> None:
    made = {"exact": Blocks, "film": lambda: Blocks(4)}
    monkeypatch.setattr(tokenizer_table, "open_dataset", lambda path: DotSource((20, 10, 30)))
    monkeypatch.setattr(tokenizer_table, "load_tokenizer", lambda name: made[name]())


def test_table_and_metrics(dots: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compare_tokenizers(["exact", "film"], "somewhere/dots", str(tmp_path / "out"))
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert metrics["data"] == {"name": "dots", "clips": 2, "height": 32, "width": 32, "threads": 1}
    assert list(metrics["tokenizers"]) == ["exact", "film", "film, 4 frames a latent"]
    exact = metrics["tokenizers"]["exact"]
    assert exact["psnr_db"] > 60
    assert exact["changed_psnr_db"] > 60
    assert exact["bytes_per_frame"] == 4 * 4 * 192 * 2
    assert exact["encode_frames_per_s"] > 0
    shown = capsys.readouterr().out
    for word in ("exact", "changed pixels (dB)", "bytes per frame", "6144.0", "2 clips, 32x32 px"):
        assert word in shown


def test_error_on_changed_pixels_is_that_of_changed_pixels() -> None:
    clips = np.zeros((2, 17, 16, 16, 3), np.uint8)
    clips[:, 1:, :4, :4] = 255
    values = measure(
        lambda x: x[..., :1].float(), lambda z: torch.zeros(*z.shape[:-1], 3, dtype=torch.uint8), clips, ""
    )
    assert values["changed_psnr_db"] == pytest.approx(0.0)
    assert values["psnr_db"] == pytest.approx(10 * np.log10(16))
    assert values["bytes_per_frame"] == 16 * 16 * 2


def test_short_episodes_are_passed_over_and_sizes_checked() -> None:
    assert choose_clips(DotSource((20, 10, 30)), 3, (16, 48), None, 0).shape == (2, 17, 16, 48, 3)
    with pytest.raises(InputError, match="dots: no episode of 17 frames found, wanted at least one"):
        choose_clips(DotSource((10,)), 3, None, None, 0)
    with pytest.raises(InputError, match="frame size 20x32, wanted height and width divisible by 16"):
        choose_clips(DotSource(), 3, (20, 32), None, 0)
