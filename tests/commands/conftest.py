"""What the commands work on: a tiny checkpoint, recordings, a place for results."""

from pathlib import Path

import pytest

from tests.commands.running import SIZE_PX
from tests.data.making import write_hdf5
from worldmodel import checkpoint
from worldmodel.data.embodiments import PUSHT
from worldmodel.models.backbone_config import BackboneConfig
from worldmodel.models.tokenizer import TokenizerConfig
from worldmodel.models.world_model import WorldModel, WorldModelConfig


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real checkpoint with random weights."""
    tokenizer = TokenizerConfig(stem_width=8, width=8, blocks=1)
    backbone = BackboneConfig(width=32, layers=4, heads=2, registers=1, chunk=8, chunk_tokens=2)
    model = WorldModel(WorldModelConfig(SIZE_PX, SIZE_PX, tokenizer, backbone, sampling_steps=1), [PUSHT])
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    return checkpoint.save(model, folder, card="# tiny\n", training={"stage": "none"})


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Three Push-T episodes in an HDF5 file."""
    return write_hdf5(tmp_path / "recordings.hdf5", ends=(24, 50, 74), size=SIZE_PX)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "results" / "output"
