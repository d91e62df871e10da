"""Runs the README.

A comment above each block says how: ``tested``, ``tested with: THIS => THAT; ...`` (smaller settings for the test), or
``not tested: REASON``.
"""

import re
import shlex
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

from tests import tiny_run
from worldmodel import cli
from worldmodel.checkpoint import shipped

LEROBOT = ("lerobot-train", "lerobot-eval", "lerobot-record", "lerobot-rollout")
ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
BLOCK = re.compile(
    r"(?:<!-- (?P<note>[^>\n]*(?:=>[^>\n]*)*) -->\n)?```(?P<language>bash|python)\n(?P<code>.*?)```", re.S
)


@dataclass
class Block:
    line: int
    language: str
    note: str
    code: str

    @property
    def runnable(self) -> str:
        """The code with the note's replacements made."""
        code = self.code
        for pair in self.note.removeprefix("tested").removeprefix(" with: ").split(";"):
            if pair.strip():
                before, after = (word.strip() for word in pair.split("=>"))
                assert before in code, f"README.md line {self.line}: {before!r} is not in the block"
                code = code.replace(before, after)
        return code


BLOCKS = [
    Block(TEXT[: match.start()].count("\n") + 1, match["language"], match["note"] or "", match["code"])
    for match in BLOCK.finditer(TEXT)
]
TESTED = [block for block in BLOCKS if block.note.startswith("tested")]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_block_says_whether_it_is_tested() -> None:
    assert TESTED
    for block in BLOCKS:
        assert re.match(r"tested( with: |$)|not tested: ", block.note), f"README.md line {block.line}: no note above it"


@pytest.mark.parametrize("block", TESTED, ids=lambda block: f"line {block.line}")
def test_block(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    if "pusht" in re.findall(r"[\w-]+", block.runnable) and "pusht" not in shipped():
        pytest.skip("no checkpoint 'pusht' in worldmodel/checkpoints")
    if block.language == "python":
        exec(compile(block.runnable, "README.md", "exec"), {"__name__": "readme"})
        return
    for line in block.runnable.splitlines():
        program, *words = shlex.split(line, comments=True)
        if program == "source":
            continue
        if program in LEROBOT:
            monkeypatch.setattr("sys.argv", [program, *words])
            import_module(f"lerobot.scripts.{program.replace('-', '_')}").main()
            continue
        assert program == "worldmodel", line
        smaller = tiny_run.OVERRIDES if words[0] == "run" else []
        assert cli.main([*words, *smaller]) == 0, line


def test_recipe_that_begins_with_weights(tmp_path: Path) -> None:
    (recipe,) = re.findall(r"```yaml\n(name: drawer\n.*?)```", TEXT, re.S)
    (tmp_path / "drawer.yaml").write_text(recipe)
    recordings = ["--env", "Drawer-v0", "--policy", "expert", "--episodes", "2", "--max-steps", "40"]
    assert cli.main(["collect", *recordings, "--output", "data/drawer"]) == 0
    shorter = {
        "datasets.drawer.held_out": "0.5",
        "stages.finetune": "{steps: 1, batch: 2, compile: false}",
        "evaluation": "{windows: 1}",
    }
    assert (
        cli.main(["run", "drawer.yaml", *(word for key, value in shorter.items() for word in (f"--{key}", value))]) == 0
    )
    assert cli.main(["info", "runs/drawer/checkpoint"]) == 0


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT))))
def test_link(link: str) -> None:
    assert (ROOT / link).is_file()


def test_named_files_are_there() -> None:
    """The file map names folders and files by their paths."""
    table = [
        line for line in TEXT.split("## Where things are")[1].split("## ")[0].splitlines() if line.startswith("| `")
    ]
    assert table
    for name in re.findall(r"`([\w/.]+)`", " ".join(line.split("|")[1] for line in table)):
        assert any((ROOT / folder / name).exists() for folder in ("", "worldmodel")), name


def test_commands_of_the_makefile() -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M)
    assert set(re.findall(r"^make (\w+)", TEXT, re.M)) <= set(targets)


def test_nothing_machine_specific() -> None:
    assert not re.search(r"/(work|root|home)/", TEXT)
