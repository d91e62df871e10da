"""Calls the program as a person would."""

from pathlib import Path

from worldmodel import cli

SIZE_PX = 32


def run(*words: object) -> int:
    return cli.main([str(word) for word in words])


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
