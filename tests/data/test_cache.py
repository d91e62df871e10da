import hashlib
import os
import signal

import h5py
import numpy as np
import pytest
import torch

from tests.dot_world import DotSource
from tests.killing import dies
from worldmodel.data import cache, parts
from worldmodel.data.cache import encode_recordings, load_recordings, remove_caches
from worldmodel.models.tokenizer import Tokenizer, TokenizerConfig
from worldmodel.types import InputError

SMALL = TokenizerConfig(channels=4, width=8, stem_width=8, blocks=1)
LENGTHS = (8, 6, 9, 7, 5)


def tokenizer():
    torch.manual_seed(0)
    return Tokenizer(SMALL)


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def digest(folder, pattern):
    (path,) = folder.glob(pattern)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load(folder, **options):
    return load_recordings("dots", DotSource(LENGTHS), folder, 32, 32, **options)


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def die_after(monkeypatch, module, name, calls):
    """Kills the process at a call of a function, after so many earlier ones."""
    original, count = getattr(module, name), iter(range(calls))

    def deadly(*args, **options):
        if next(count, None) is None:
            kill()
        return original(*args, **options)

    monkeypatch.setattr(module, name, deadly)


def test_cache_is_built_once_and_again_when_its_key_changes(tmp_path):
    files = lambda: [name for name in names(tmp_path) if name.endswith("hdf5")]  # noqa: E731
    first = load(tmp_path)
    encode_recordings(first, tokenizer(), tmp_path)
    assert len(files()) == 2
    load(tmp_path)
    assert len(files()) == 2
    load_recordings("dots", DotSource(LENGTHS), tmp_path, 16, 16)
    torch.manual_seed(1)
    encode_recordings(first, Tokenizer(SMALL), tmp_path)
    assert len(files()) == 4
    assert len(names(tmp_path)) == 5, "there is nothing beside the files and the quarantine"


def test_what_is_read_from_disk_is_what_was_recorded(tmp_path):
    source, loaded = DotSource(LENGTHS), load(tmp_path)
    assert loaded.starts.tolist() == [0, 8, 14, 23, 30, 35]
    np.testing.assert_array_equal(loaded.frames[:], np.concatenate([e.frames["top"] for e in source.episodes]))
    actions = np.concatenate([episode.actions for episode in source.episodes])
    np.testing.assert_array_equal(loaded.actions[:], source.embodiments[0].action.normalise(actions))
    np.testing.assert_array_equal(loaded.frames[np.array([[3, 9], [34, -1]])], loaded.frames[:][[[3, 9], [34, 34]]])
    np.testing.assert_array_equal(loaded.frames[4], loaded.frames[:][4])
    assert loaded.frames[np.zeros(0, int)].shape == (0, 32, 32, 3)
    assert loaded.action_mask[:].dtype == bool
    with pytest.raises(IndexError, match="of 35"):
        loaded.frames[35]
    np.testing.assert_array_equal(loaded.frames[3:20:4], loaded.frames[:][3:20:4])
    with pytest.raises(IndexError, match="step -1"):
        loaded.frames[::-1]


@pytest.mark.parametrize("workers", [2, 3])
def test_any_number_of_processes_writes_the_same_file(tmp_path, workers):
    load(tmp_path / "one", workers=1)
    load(tmp_path / "many", workers=workers)
    assert digest(tmp_path / "one", "*.hdf5") == digest(tmp_path / "many", "*.hdf5")


@pytest.mark.parametrize(("name", "calls"), [("read_good", 3), ("_join", 0), ("_join", 4)])
def test_a_killed_build_goes_on_where_it_was(tmp_path, monkeypatch, name, calls):
    load(tmp_path / "whole")
    folder = tmp_path / "killed"
    dies(lambda: load(folder, workers=1), lambda: die_after(monkeypatch, cache, name, calls))
    assert not list(folder.glob("*.hdf5"))
    read = []
    original = cache.read_good
    monkeypatch.setattr(cache, "read_good", lambda source, index: read.append(index) or original(source, index))
    load(folder, workers=1)
    assert read == ([3, 4] if name == "read_good" else [])
    assert digest(tmp_path / "whole", "*.hdf5") == digest(folder, "*.hdf5")
    assert not list(folder.glob("*.parts"))


def test_killed_encoding_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "ENCODED_AT_ONCE", 8)
    network = tokenizer()
    for name in ("whole", "killed"):
        load(tmp_path / name)
    encode_recordings(load(tmp_path / "whole"), network, tmp_path / "whole")
    folder, loaded = tmp_path / "killed", load(tmp_path / "killed")
    prepare = lambda: die_after(monkeypatch, parts.np, "savez", 3)  # noqa: E731
    dies(lambda: encode_recordings(loaded, network, folder), prepare)
    assert not list(folder.glob("*.latents.hdf5"))
    encoded = []
    original = network.encode
    monkeypatch.setattr(network, "encode", lambda frames: encoded.append(len(frames)) or original(frames))
    encode_recordings(loaded, network, folder)
    assert encoded == [8, 3]
    assert digest(tmp_path / "whole", "*.latents.hdf5") == digest(folder, "*.latents.hdf5")


def test_a_killed_process_leaves_nothing_to_whoever_builds_next(tmp_path, monkeypatch):
    """Killed between naming the file and removing its parts."""
    dies(
        lambda: load(tmp_path, workers=1), lambda: monkeypatch.setattr(parts.shutil, "rmtree", lambda *_, **__: kill())
    )
    assert list(tmp_path.glob("*.parts"))
    load(tmp_path)
    assert not list(tmp_path.glob("*.parts"))


def test_parts_of_a_deleted_dataset_are_removed(tmp_path, monkeypatch):
    dies(lambda: load(tmp_path, workers=1), lambda: die_after(monkeypatch, cache, "read_good", 2))
    assert len(list(tmp_path.glob("*.parts/*.npz"))) == 2
    assert remove_caches(tmp_path, "another") == ([], [])
    removed, _ = remove_caches(tmp_path, "dots")
    assert len(removed) == 3
    assert not names(tmp_path)


class Broken(DotSource):
    """Its third episode fails in a way that nobody foresaw."""

    def __getitem__(self, index):
        if index == 2:
            raise ZeroDivisionError("the third")
        return super().__getitem__(index)


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_of_a_reader_come_through(tmp_path, workers):
    with pytest.raises(ZeroDivisionError, match="the third"):
        load_recordings("dots", Broken(LENGTHS), tmp_path, 32, 32, workers=workers)
    assert not list(tmp_path.glob("*.hdf5"))


def test_no_process_is_too_few(tmp_path):
    with pytest.raises(InputError, match="workers: found 0"):
        load(tmp_path, workers=0)


def test_a_damaged_file_is_named(tmp_path):
    load(tmp_path)
    (path,) = tmp_path.glob("*.hdf5")
    with h5py.File(path, "r+") as file:
        size = file["frames"].id.get_offset() + 1000
    os.truncate(path, size)
    with pytest.raises(InputError, match="wanted a whole HDF5 file"):
        load(tmp_path)


def test_frames_in_memory_are_not_encoded(tmp_path):
    loaded = load(tmp_path)
    loaded.frames = loaded.frames[:]
    with pytest.raises(InputError, match="dots: frames are in memory"):
        encode_recordings(loaded, tokenizer(), tmp_path)
