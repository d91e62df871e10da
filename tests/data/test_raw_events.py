from pathlib import Path

import pytest

from worldmodel.data.raw_events import read_events, write_events
from worldmodel.types import InputError


def test_events_come_back(tmp_path: Path):
    events = [{"tick": 0, "kind": "move", "target": None}, {"tick": 3, "kind": "key_down", "key": "ä\u2028"}]
    write_events(events, tmp_path / "deep/file.jsonl")
    assert read_events(tmp_path / "deep/file.jsonl") == events
    write_events([], tmp_path / "none.jsonl")
    assert read_events(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"tick": "1"}'])
def test_a_damaged_line_is_named(tmp_path: Path, line: str):
    (tmp_path / "file.jsonl").write_text(f'{{"tick": 0}}\n{line}\n')
    with pytest.raises(InputError, match=r"file.jsonl: line 2 is damaged, wanted a JSON object with a tick"):
        read_events(tmp_path / "file.jsonl")


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"none.jsonl: cannot be read .* wanted a file of events"):
        read_events(tmp_path / "none.jsonl")
