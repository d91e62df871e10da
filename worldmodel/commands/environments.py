"""Shows the environments of this installation, and makes one with a clear word where its name is unknown."""

from typing import Any

import gymnasium
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import envs  # noqa: F401  (registers the ids)
from worldmodel.types import InputError

NAMESPACE = "worldmodel"


def known_ids() -> list[str]:
    """Returns the ids that `envs` registers, such as ``worldmodel/PushT-v0``."""
    return sorted(name for name, spec in gymnasium.registry.items() if spec.namespace == NAMESPACE)


def full_id(name: str) -> str:
    """Completes ``PushT-v0`` to ``worldmodel/PushT-v0``; ``module:Name-v0`` of another package stays as it is.

    Raises:
        InputError: no such environment; the known ones are named.
    """
    wanted = name.removeprefix("envs:")
    if ":" in wanted:
        return wanted
    wanted = wanted if "/" in wanted else f"{NAMESPACE}/{wanted}"
    if wanted not in known_ids():
        raise InputError(f"environment {name!r} is unknown, wanted one of: {', '.join(known_ids())}")
    return wanted


def show_environments() -> None:
    """Prints every environment with what it shows and what it takes, or what has to be installed for it."""
    table = Table(title="environments: gymnasium.make('envs:ID')", title_justify="left")
    for column in ("id", "observation", "action", "frames/s"):
        table.add_column(column, overflow="fold", no_wrap=column == "id")
    for name in known_ids():
        try:
            env = gymnasium.make(name)
        except InputError as error:
            table.add_row(name, escape(str(error)))
            continue
        table.add_row(
            name, _words(env.observation_space), _words(env.action_space), str(env.metadata.get("render_fps"))
        )
        env.close()
    Console().print(table)


def _words(space: gymnasium.Space[Any]) -> str:
    if isinstance(space, gymnasium.spaces.Dict):
        return "\n".join(f"{name}: {_words(part)}" for name, part in space.items())
    if isinstance(space, gymnasium.spaces.Box):
        return f"{space.dtype} {space.shape}, {space.low.min():g} to {space.high.max():g}"
    if isinstance(space, gymnasium.spaces.Text):
        return f"text, up to {space.max_length} characters"
    return str(space)
