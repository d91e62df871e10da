import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.data.making import make_episode
from worldmodel.data.embodiments import PUSHT
from worldmodel.data.lerobot_writer import LeRobotWriter
from worldmodel.data.manifest import MANIFEST, content_hash, read_manifest
from worldmodel.data.tombstones import add_tombstones, read_tombstones, registry, tombstone_of
from worldmodel.types import Episode, InputError


def write(root: Path, episodes: list[Episode]) -> LeRobotWriter:
    writer = LeRobotWriter(root, 10.0, PUSHT, 32, 32)
    for episode in episodes:
        writer.add(episode)
    writer.close()
    return writer


def test_a_hash_is_of_the_content():
    episode = make_episode(0)
    assert content_hash(episode) == content_hash(make_episode(0, episode_id="7", source="x", text=None, reward=None))
    assert len(content_hash(episode)) == 32
    picture = episode.frames["pixels"].copy()
    picture[3, 5, 5, 1] += 1
    others = {
        "frames": {"pixels": picture},
        "camera": {"top": episode.frames["pixels"]},
        "actions": episode.actions + 1,
        "action_mask": ~episode.action_mask,
        "state": None,
    }
    changed = [replace(episode, **{"frames" if name == "camera" else name: value}) for name, value in others.items()]
    assert len({content_hash(other) for other in (episode, *changed)}) == 1 + len(others)


def test_a_hash_does_not_depend_on_how_arrays_lie_in_memory():
    episode = make_episode(0)
    turned = {"pixels": np.asfortranarray(episode.frames["pixels"])}
    assert content_hash(replace(episode, frames=turned)) == content_hash(episode)


def test_every_episode_has_a_line(tmp_path: Path):
    write(tmp_path / "set", [make_episode(0)])
    write(tmp_path / "set", [make_episode(1, source="elsewhere")])
    lines = [json.loads(line) for line in (tmp_path / "set" / MANIFEST).read_text().splitlines()]
    assert lines == read_manifest(tmp_path / "set")
    assert lines[1] == {
        "episode_id": "1",
        "source": "elsewhere",
        "licence": "MIT",
        "content_hash": content_hash(make_episode(1)),
    }


def test_lines_of_a_killed_run_do_not_count(tmp_path: Path):
    root = tmp_path / "set"
    write(root, [make_episode(0)])
    whole = (root / MANIFEST).read_text()
    (root / MANIFEST).write_text(whole + '{"episode_id": "killed", "content_hash": "0"}\n{"episode_id": "ki')
    assert [entry["episode_id"] for entry in read_manifest(root) or []] == ["0"]
    write(root, [make_episode(1)])
    assert [entry["episode_id"] for entry in read_manifest(root) or []] == ["0", "1"]
    assert len((root / MANIFEST).read_text().splitlines()) == 2


def test_a_set_begun_without_a_manifest_goes_on_without(tmp_path: Path):
    write(tmp_path / "set", [make_episode(0)])
    (tmp_path / "set" / MANIFEST).unlink()
    assert len(write(tmp_path / "set", [make_episode(1)])) == 2
    assert read_manifest(tmp_path / "set") is None


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"content_hash": 3}'])
def test_a_damaged_manifest_is_named(tmp_path: Path, line: str):
    write(tmp_path / "set", [make_episode(0)])
    (tmp_path / "set" / MANIFEST).write_text(f"{line}\n")
    with pytest.raises(InputError, match=r"manifest\.jsonl: line 1 is damaged, wanted a JSON object"):
        read_manifest(tmp_path / "set")


# Tombstones.


def test_what_the_user_deleted_is_refused_everywhere(tmp_path: Path):
    write(tmp_path / "set", [make_episode(0), make_episode(1)])
    entries = read_manifest(tmp_path / "set") or []
    add_tombstones(registry(), [tombstone_of(entries[1])])
    with pytest.raises(InputError, match=r"other: episode new was deleted on \d{4}-\d\d-\d\d, wanted one that was not"):
        write(tmp_path / "other", [make_episode(0), make_episode(1, episode_id="new")])
    assert len(read_manifest(tmp_path / "other") or []) == 1


def test_the_registry_grows_in_the_folder_of_user_data(own_registry: Path):
    stones = [{"episode_id": str(i), "source": "s", "content_hash": f"{i}", "date": "2026-01-01"} for i in range(3)]
    add_tombstones(registry(), stones[:1])
    add_tombstones(registry(), stones[1:])
    assert read_tombstones(own_registry / "worldmodel/tombstones.jsonl") == stones


def test_the_registry_without_xdg_data_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert registry() == tmp_path / ".local/share/worldmodel/tombstones.jsonl"


def test_a_damaged_registry_is_named_and_kept(tmp_path: Path):
    registry().parent.mkdir(parents=True)
    registry().write_text("{}\n")
    with pytest.raises(InputError, match=r"tombstones\.jsonl: line 1 is damaged"):
        write(tmp_path / "set", [make_episode(0)])
    assert registry().read_text() == "{}\n"
