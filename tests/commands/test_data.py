"""Deleting on request, from the command line to checkpoints and later conversions."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests import tiny_run
from tests.commands.running import SIZE_PX, files_below, run
from tests.data.making import make_episode, write_hdf5
from tests.data.test_manifest import write
from worldmodel.config import DatasetConfig, RecipeConfig, StageConfig
from worldmodel.data.manifest import read_manifest
from worldmodel.data.open import open_dataset
from worldmodel.data.tombstones import add_tombstones, registry, tombstone_of
from worldmodel.trained_on import in_words, merge, note, of_run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole") / "set"
    write(root, [make_episode(index, length=12) for index in range(3)])
    return root


@pytest.fixture
def dataset(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "set"))


def test_delete_and_again(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("data", "delete", dataset, "--episode", 0, 2) == 0
    assert capsys.readouterr().out == "2 of 3 episodes deleted, 1 left\n"
    assert run("data", "delete", dataset, "--episode", 2) == 0
    assert capsys.readouterr().out == "deleted before, 1 left\n"
    assert run("info", dataset) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "2 episodes, on request" in shown
    assert "MIT" in shown


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--episode", "nine"), "no episode 'nine', wanted some of: 0, 1, 2"),
        (("--source", "cellar"), "no episode of source 'cellar', wanted one of: made up"),
        (("--source", "made up"), "all 3 episodes chosen, wanted one to stay"),
    ],
)
def test_mistakes_change_nothing(
    dataset: Path, words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {name: (dataset / name).read_bytes() for name in files_below(dataset)}
    assert run("data", "delete", dataset, *words) == 2
    shown = capsys.readouterr().err
    assert told in shown
    assert shown.count("\n") == 1
    assert {name: (dataset / name).read_bytes() for name in files_below(dataset)} == before
    assert not registry().exists()


def test_info_without_deletions_says_nothing_of_them(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", dataset) == 0
    assert "deleted" not in capsys.readouterr().out


@pytest.mark.parametrize("number", [0, 1])
def test_convert_leaves_out_what_was_deleted(
    number: int, recordings: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("convert", recordings, output) == 0
    name = (read_manifest(output) or [])[number]["episode_id"]
    assert run("data", "delete", output, "--episode", name) == 0
    again = output.with_name("again")
    assert run("convert", recordings, again) == 0
    assert "1 of 3 episodes left out" in capsys.readouterr().out
    assert read_manifest(again) == read_manifest(output)
    told = json.loads((again / "quarantine.json").read_text())
    assert [(damage["index"], damage["reason"]) for damage in told["episodes"]] == [(number, "deleted")]


def test_convert_of_nothing_but_deleted_episodes(
    tmp_path: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_hdf5(tmp_path / "some.hdf5", size=SIZE_PX)
    assert run("convert", path, output) == 0
    add_tombstones(registry(), [tombstone_of(entry) for entry in read_manifest(output) or []])
    capsys.readouterr()
    assert run("convert", path, output.with_name("again")) == 2
    assert "none of 2 episodes can be used, wanted one (episode" in capsys.readouterr().err
    assert not output.with_name("again").exists()


def test_a_checkpoint_knows_what_it_was_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("train", "tiny", "--output", "runs/a", *tiny_run.OVERRIDES, "--stage", "tokenizer") == 0
    data, trained = Path("runs/a/data/explore"), Path("runs/a/tokenizer/checkpoint")
    entries = read_manifest(data) or []
    noted = json.loads((trained / "config.json").read_text())["training"]["episodes"]
    kept = [entry["episode_id"] for entry in entries if entry["content_hash"] in noted["explore"]]
    assert len(kept) == len(noted["explore"]) == 3  # the fourth is held out
    assert run("info", trained) == 0
    assert "none deleted" in capsys.readouterr().out
    assert len(list(Path("runs/a/cache").glob("*.hdf5"))) == 1
    assert run("data", "delete", data, "--episode", kept[0], "--cache", "runs") == 0
    assert "1 cached files removed below runs" in capsys.readouterr().out
    assert not list(Path("runs/a/cache").glob("*.hdf5"))
    assert run("info", trained) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "trained on 1 deleted episode" in shown
    assert '{"explore": 3}' in shown


def test_a_checkpoint_without_hashes(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", tiny) == 0
    assert "unknown" in capsys.readouterr().out


def test_caches_of_other_datasets_stay(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from worldmodel.data.cache import load_recordings

    other = Path(shutil.copytree(dataset, tmp_path / "other"))
    for name, place in (("a", dataset), ("b", other)):
        load_recordings(name, open_dataset(place), tmp_path / "cache", 32, 32)
    (mine,) = (tmp_path / "cache").glob("a-*.hdf5")
    latents = mine.with_name(f"{mine.stem}-0123.latents.hdf5")
    latents.touch()
    (tmp_path / "cache/no-cache.hdf5").write_text("something else")
    assert run("data", "delete", dataset, "--episode", 1, "--cache", tmp_path / "cache") == 0
    assert "2 cached files removed" in capsys.readouterr().out
    left = [name for name in files_below(tmp_path / "cache") if name.endswith("hdf5")]
    assert [name[:3] for name in left] == [f"b-{left[0][2]}", "no-"]


def test_words_about_deleted_episodes() -> None:
    gone = {"1": {}, "2": {}}
    assert in_words({}, gone) == "unknown"
    assert in_words({"episodes": {"a": None}}, gone) == "unknown"
    assert in_words({"episodes": {"a": ["3"]}}, gone) == "none deleted"
    assert in_words({"episodes": {"a": ["1", "3"], "b": ["1", "2"]}}, gone) == "trained on 2 deleted episodes"
    assert in_words({"episodes": {"a": ["1"], "b": None}}, gone) == "trained on 1 deleted episode; unknown: b"


def test_what_is_unknown_in_one_part_is_unknown_in_all() -> None:
    assert merge([{"a": ["1", "2"], "b": ["5"]}, {"a": ["2", "3"], "b": None}]) == {"a": ["1", "2", "3"], "b": None}


def test_a_stage_that_goes_on_after_a_deletion_keeps_what_it_saw(dataset: Path, tmp_path: Path) -> None:
    config = RecipeConfig("r", "out", {"d": DatasetConfig(path=str(dataset))}, {"tokenizer": StageConfig()})
    everything = [entry["content_hash"] for entry in read_manifest(dataset) or []]
    assert note(tmp_path / "stage", config, tmp_path, {"d": np.arange(3)}) == {"d": everything}
    assert run("data", "delete", dataset, "--episode", 1) == 0
    assert note(tmp_path / "stage", config, tmp_path, {"d": np.arange(2)}) == {"d": everything}
    assert note(tmp_path / "new", config, tmp_path, {"d": np.arange(2)}) == {"d": everything[::2]}


def test_a_run_names_what_its_stages_and_its_first_model_saw(tmp_path: Path) -> None:
    def trained(folder: str, **training: object) -> Path:
        place = tmp_path / folder
        place.mkdir(parents=True)
        (place / "config.json").write_text(json.dumps({"training": training}))
        return place

    stages = {name: StageConfig() for name in ("tokenizer", "midtrain")}
    config = RecipeConfig("r", "out", {"d": DatasetConfig()}, stages, init=str(trained("old", episodes={"d": ["0"]})))
    trained("tokenizer/checkpoint", episodes={"d": ["1", "2"]})
    trained("midtrain/checkpoint", episodes={"d": ["2", "3"]})
    assert of_run(config, tmp_path) == {f"{tmp_path / 'old'}: d": ["0"], "d": ["1", "2", "3"]}
    (tmp_path / "old/config.json").write_text("{}")
    (tmp_path / "tokenizer/checkpoint/config.json").write_text("{}")
    assert of_run(config, tmp_path) == {f"{tmp_path / 'old'}: all of it": None, "d": None}


def test_caches_of_unknown_origin_are_named(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import h5py

    (tmp_path / "cache").mkdir()
    with h5py.File(tmp_path / "cache/old-0123.hdf5", "w") as file:
        file["frames"], file["starts"] = np.zeros(1), np.zeros(1)
    assert run("data", "delete", dataset, "--episode", 1, "--cache", tmp_path / "cache") == 0
    assert "of unknown origin, remove them by hand:" in capsys.readouterr().out
    assert (tmp_path / "cache/old-0123.hdf5").exists()
