"""Films, cameras and copies, from the command line and in a recipe."""

import json
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from tests import tiny_run
from tests.commands.running import run
from tests.data.making import make_episode
from tests.data.test_cuts import scene
from worldmodel.commands.recipe_parts import HeldOut
from worldmodel.config import DatasetConfig, RecipeConfig, StageConfig
from worldmodel.data.embodiments import PUSHT
from worldmodel.data.lerobot_writer import LeRobotWriter
from worldmodel.data.open import open_dataset
from worldmodel.models.world_model import WorldModelConfig
from worldmodel.recipe import open_recordings


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("film")
    frames = np.concatenate([scene(seed, 14, 2.0, sensor_noise=False) for seed in (0, 1)])
    iio.imwrite(folder / "a.mp4", frames, fps=10, macro_block_size=1)
    iio.imwrite(folder / "b.mp4", frames[:14], fps=10, macro_block_size=1)
    return folder


def test_info_of_films(film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", film, "--contact-sheet", tmp_path / "sheet.png") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "3 (3 read for this table)" in shown
    assert "42 frames, 4 s" in shown
    assert "pixels 64x36" in shown
    assert "duplicates" not in shown
    sheet = iio.imread(tmp_path / "sheet.png")
    assert run("info", film, "--whole-clips") == 0
    assert "2 (2 read for this table)" in capsys.readouterr().out
    assert run("info", film, "--contact-sheet", tmp_path / "sheet.png", "--camera", "pixels") == 0
    assert np.array_equal(iio.imread(tmp_path / "sheet.png"), sheet)


def test_info_counts_copies(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", film, "--duplicates") == 0
    assert "1: 2 repeats 0" in capsys.readouterr().out
    assert run("info", film / "a.mp4", "--duplicates") == 0
    assert "duplicates none" in " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_info_of_an_unknown_camera(film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", film, "--contact-sheet", tmp_path / "sheet.png", "--camera", "left") == 2
    captured = capsys.readouterr()
    assert "no camera 'left', wanted one of pixels, tile" in captured.err
    assert captured.out == ""
    assert not (tmp_path / "sheet.png").exists()


@pytest.mark.parametrize(("words", "lengths"), [((), [14, 14, 14]), (("--whole-clips",), [28, 14])])
def test_convert_splits_films_unless_told_not_to(
    film: Path, output: Path, words: tuple[str, ...], lengths: list[int]
) -> None:
    assert run("convert", film, output, "--size", 32, 64, *words) == 0
    source = open_dataset(output)
    assert [len(source[index]) for index in range(len(source))] == lengths


def test_a_recipe_uses_the_camera_and_leaves_copies_out_of_validation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def walk(seed: int) -> np.ndarray:
        return scene(seed, 24, 2.0)[:, :32, :32].copy()

    cameras = [{"left": np.zeros((24, 32, 32, 3), np.uint8), "right": walk(seed)} for seed in (0, 1, 2, 1, 3, 4)]
    writer = LeRobotWriter(tmp_path / "set", 10.0, PUSHT, 32, 32, ["left", "right"])
    for index, frames in enumerate(cameras):
        writer.add(make_episode(index, length=24, frames=frames))
    writer.close()
    dataset = DatasetConfig(path=str(tmp_path / "set"), camera="right", held_out=0.34)
    config = RecipeConfig(
        "r", str(tmp_path / "run"), {"d": dataset}, {"tokenizer": StageConfig()}, model=WorldModelConfig(32, 32)
    )
    (recordings,) = open_recordings(config, tmp_path / "run", lambda *_: None)
    assert recordings.frames[:].mean() > 50
    told = json.loads((tmp_path / "run/cache/d.duplicates.json").read_text())["duplicates"]
    repeated = [item["episode"] for item in told]
    assert len(repeated) == 1
    assert "1 of 2 held-out episodes repeat training episodes and are left out" in " ".join(
        capsys.readouterr().err.split()
    )
    held = HeldOut(dataset, "d", tmp_path / "run")
    assert len(held) == 1
    assert set(held.indices.tolist()).isdisjoint(repeated)


def test_a_run_on_tiled_cameras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = (*tiny_run.OVERRIDES, "--datasets.explore.camera", "tile", "--stage", "tokenizer")
    assert run("train", "tiny", "--output", "runs/a", *words) == 0
