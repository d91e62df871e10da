"""Two processes that train together, as Lightning starts them."""

import lightning
import numpy as np
import torch

from tests.dot_world import DotSource
from worldmodel.data.cache import load_recordings
from worldmodel.data.windows import Stream, WindowSampler
from worldmodel.train import Batches

WINDOWS = 20


class Note(lightning.LightningModule):
    """Learns nothing and writes down what every rank was given."""

    def __init__(self, folder):
        super().__init__()
        self.folder, self.weight = folder, torch.nn.Parameter(torch.zeros(()))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

    def training_step(self, batch, batch_idx):
        step, windows = batch
        np.save(self.folder / f"{step}-{self.global_rank}.npy", windows.state.numpy())
        return self.weight * 0.0


def test_two_ranks_share_every_epoch(tmp_path):
    recordings = load_recordings("dots", DotSource((15, 11)), tmp_path / "cache", 32, 32)
    sampler = WindowSampler(
        [recordings],
        [np.arange(2)],
        window=4,
        chunk=1,
        action_size=2,
        state_size=2,
        bodies={"dot": 0},
        frames=True,
        latents=False,
    )
    stream = Stream(sampler, 0, 2)
    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=2,
        strategy="ddp_fork",
        max_steps=WINDOWS // 4,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Note(tmp_path), datamodule=Batches(stream, 0))
    seen = [row.tobytes() for path in tmp_path.glob("*.npy") for row in np.load(path)]
    assert len(list(tmp_path.glob("*-1.npy"))) == WINDOWS // 4
    assert len(seen) == len(set(seen)) == WINDOWS
