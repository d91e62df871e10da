import errno
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lerobot.datasets.lerobot_dataset import LeRobotDataset

from tests.commands.running import files_below
from tests.data.making import make_episode
from tests.data.test_manifest import write
from tests.killing import dies
from worldmodel.data import deletion
from worldmodel.data.deletion import delete
from worldmodel.data.embodiments import PUSHT
from worldmodel.data.lerobot_writer import LeRobotWriter
from worldmodel.data.manifest import MANIFEST, content_hash, read_manifest
from worldmodel.data.open import open_dataset
from worldmodel.data.tombstones import TOMBSTONES, read_tombstones, registry
from worldmodel.types import Episode, InputError

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")
EPISODES = 4


def recording(index: int) -> Episode:
    return make_episode(index, length=5 + index, source=("kitchen", "kitchen", "garden", "garden")[index])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole") / "set"
    write(root, [recording(i) for i in range(EPISODES)])
    return root


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    place = Path(shutil.copytree(whole, tmp_path / "place/set"))
    (place / "notes.txt").write_text("mine")
    return place


def assert_holds(root: Path, wanted: list[int]) -> None:
    source = open_dataset(root)
    assert len(source) == len(wanted)
    for index, number in enumerate(wanted):
        found, original = source[index], recording(number)
        np.testing.assert_array_equal(found.actions, original.actions)
        assert found.text == original.text
        assert np.abs(found.frames["pixels"].astype(int) - original.frames["pixels"]).mean() < 2
    assert [entry["episode_id"] for entry in read_manifest(root) or []] == [str(number) for number in wanted]


def assert_no_trace(root: Path, numbers: list[int]) -> None:
    assert [path.name for path in root.parent.iterdir()] == [root.name]
    assert [stone["episode_id"] for stone in read_tombstones(root / TOMBSTONES)] == [str(n) for n in numbers]
    for number in numbers:
        assert content_hash(recording(number)) not in (root / MANIFEST).read_text()


def test_the_set_is_as_if_they_had_never_been_there(root: Path, tmp_path: Path):
    write(tmp_path / "never", [recording(0), recording(3)])
    done = delete(root, ids=["1", "2"])
    assert ([stone["episode_id"] for stone in done.gone], done.left) == (["1", "2"], 2)
    assert_holds(root, [0, 3])
    assert_no_trace(root, [1, 2])
    assert (root / "notes.txt").read_text() == "mine"
    found, wanted = (json.loads((place / "meta/stats.json").read_text()) for place in (root, tmp_path / "never"))
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        for key, value in values.items():
            if name != "task_index":  # lerobot numbers the tasks anew, in any order
                np.testing.assert_allclose(found[name][key], value, rtol=1e-9, err_msg=f"{name} {key}")
    for name in ("meta/info.json", "meta/worldmodel.json", MANIFEST):
        assert (root / name).read_text() == (tmp_path / "never" / name).read_text(), name
    ours = set(files_below(root)) - {TOMBSTONES, "notes.txt"}
    assert ours == set(files_below(tmp_path / "never")) - {"meta/.stats_before.json"}


def test_lerobot_reads_what_is_left(root: Path):
    delete(root, ids=["0"])
    dataset = LeRobotDataset("local/set", root=root, video_backend="pyav", return_uint8=True)
    assert (dataset.num_episodes, len(dataset)) == (3, 6 + 7 + 8)
    row = dataset[6]
    assert (row["index"], row["episode_index"], row["frame_index"], row["task"]) == (6, 1, 0, "task 0")
    np.testing.assert_array_equal(row["action"].numpy(), recording(2).actions[0])


def test_a_set_goes_on_after_a_deletion(root: Path):
    delete(root, ids=["1"])
    writer = LeRobotWriter(root, 10.0, PUSHT, 32, 32)
    assert (len(writer), writer.ever_written) == (3, 4)
    with pytest.raises(InputError, match="episode 1 was deleted on"):
        writer.add(recording(1))
    writer.add(make_episode(9, episode_id="9"))
    source = open_dataset(root)
    for index, original in enumerate((recording(0), recording(2), recording(3), make_episode(9))):
        np.testing.assert_array_equal(source[index].actions, original.actions)
        assert source[index].text == original.text
    delete(root, ids=["0", "9"])
    assert_holds(root, [2, 3])


def test_a_source_goes(root: Path):
    assert len(delete(root, source="kitchen").gone) == 2
    assert_holds(root, [2, 3])
    assert json.loads((root / "meta/worldmodel.json").read_text())["source"] == "garden"


def test_copies_go_too_and_tombstones_are_many(tmp_path: Path):
    write(tmp_path / "set", [recording(0), recording(1), make_episode(0, length=5, episode_id="copy")])
    assert len(delete(tmp_path / "set", ids=["copy"]).gone) == 2
    assert_holds(tmp_path / "set", [1])


def test_an_id_of_two_sources(tmp_path: Path):
    twins = [make_episode(i, episode_id="same", source=f"s{i}") for i in range(2)]
    write(tmp_path / "set", [*twins, make_episode(2)])
    with pytest.raises(InputError, match=r"episode 'same' is in s0, s1, wanted --source to tell which"):
        delete(tmp_path / "set", ids=["same"])
    delete(tmp_path / "set", ids=["same"], source="s1")
    assert [entry["source"] for entry in read_manifest(tmp_path / "set") or []] == ["s0", "made up"]


def test_nothing_stays_in_the_caches_of_libraries(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from datasets import config

    monkeypatch.setattr(config, "HF_DATASETS_CACHE", tmp_path / "cache")
    delete(root, ids=["1"])
    assert files_below(tmp_path) == [f"place/set/{name}" for name in files_below(root)]
    assert tmp_path / "cache" == config.HF_DATASETS_CACHE


# What cannot be done is refused, and nothing changes.


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"ids": ["1", "nine"]}, r"no episode 'nine', wanted some of: 0, 1, 2, 3$"),
        ({"source": "cellar"}, r"no episode of source 'cellar', wanted one of: garden, kitchen$"),
        ({"ids": ["1"], "source": "garden"}, r"no episode '1', wanted some of: 2, 3$"),
        ({"ids": ["0", "1", "2", "3"]}, r"all 4 episodes chosen, wanted one to stay"),
    ],
)
def test_bad_wishes(root: Path, words: dict, message: str):
    before = {name: (root / name).read_bytes() for name in files_below(root)}
    with pytest.raises(InputError, match=message):
        delete(root, **words)
    assert {name: (root / name).read_bytes() for name in files_below(root)} == before
    assert not registry().exists()


def test_sets_without_a_manifest(root: Path, tmp_path: Path):
    (root / MANIFEST).unlink()
    with pytest.raises(InputError, match=r"no meta/manifest\.jsonl that tells of every episode"):
        delete(root, ids=["1"])
    with pytest.raises(InputError, match="nowhere: no such folder, wanted a data set"):
        delete(tmp_path / "nowhere", ids=["1"])
    with pytest.raises(InputError, match=r"info\.json: cannot be read"):
        delete(tmp_path, ids=["1"])


def test_an_unwritable_registry(root: Path, own_registry: Path):
    (own_registry / "worldmodel").write_text("in the way")
    with pytest.raises(InputError, match=r"tombstones\.jsonl: .*wanted a place to write to"):
        delete(root, ids=["1"])
    assert_holds(root, [0, 1, 2, 3])
    assert [path.name for path in root.parent.iterdir()] == ["set"]


# Kills: at any moment there is the old or the new data set, and the next call ends in the same.


def killed(action: Callable[[], object], where: str, *, after: bool) -> None:
    """Runs something in a process that dies before or after a step of the deletion."""

    def prepare() -> None:
        step = getattr(deletion, where)

        def last(*arguments: object) -> None:
            if after:
                step(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(deletion, where, last)

    dies(action, prepare)


@pytest.mark.parametrize(
    ("step", "after", "left"),
    [
        ("_renumber", False, [0, 1, 2, 3]),
        ("add_tombstones", False, [0, 1, 2, 3]),
        ("exchange", False, [0, 1, 2, 3]),
        ("exchange", True, [0, 2, 3]),
    ],
)
def test_a_killed_deletion_is_finished_by_the_next(root: Path, step: str, after: bool, left: list[int]):
    killed(lambda: delete(root, ids=["1"]), step, after=after)
    assert_holds(root, left)
    assert len(list(root.parent.iterdir())) == 2
    assert delete(root, ids=["1"]).left == 3
    assert_holds(root, [0, 2, 3])
    assert_no_trace(root, [1])
    assert [stone["episode_id"] for stone in read_tombstones(registry())] == ["1"]


def test_file_systems_that_cannot_exchange(root: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(one: Path, other: Path) -> None:
        raise OSError(errno.EINVAL, "cannot")

    monkeypatch.setattr(deletion, "exchange", refuse)
    delete(root, ids=["1"])
    assert_holds(root, [0, 2, 3])
    assert_no_trace(root, [1])
    # Killed between the two renames.
    root.rename(root.with_name(".set.before"))
    root.with_name(".set.deleting").mkdir()
    delete(root, ids=["2"])
    assert_holds(root, [0, 3])
    assert_no_trace(root, [1, 2])


def test_other_errors_of_the_exchange_leave_the_old_set(root: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(one: Path, other: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(deletion, "exchange", refuse)
    with pytest.raises(InputError, match=r"set: cannot be written \(.*Input/output error"):
        delete(root, ids=["1"])
    assert_holds(root, [0, 1, 2, 3])
    assert [path.name for path in root.parent.iterdir()] == ["set"]
