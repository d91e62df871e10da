"""Simulators that not every installation has."""

from importlib.util import find_spec

from worldmodel.types import InputError


def require(module: str, extra: str, where: str) -> None:
    """Tells how to install what an environment needs.

    Args:
        module: that must be there.
        extra: of this toolkit, which brings it.
        where: named in the error.

    Raises:
        InputError: the module is not installed.
    """
    if find_spec(module) is None:
        raise InputError(f"{where}: package {module!r} is not installed, wanted: pip install 'worldmodel[{extra}]'")
