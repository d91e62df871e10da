"""What a MuJoCo environment shows as ``pixels``: one picture, or a dict of them by camera."""

# pyright: reportAttributeAccessIssue=false

from collections.abc import Sequence
from typing import Any

import mujoco  # its classes come from compiled modules without stubs
import numpy as np
from gymnasium import spaces
from jaxtyping import UInt8

from envs.rendering import CameraRenderer
from worldmodel.data.frames import read_size
from worldmodel.types import InputError

RENDER_PX = 384


class Cameras:
    """Draws the cameras that an observation shows, and large pictures for people.

    Args:
        model: what is seen; its cameras may be asked for by name.
        wanted: names of cameras: one, several, or none.
        size: of the pictures, see `read_size`.
        where: named in the error.
        enlarge: see `CameraRenderer`.

    Raises:
        InputError: no such camera, one that is named twice, or as `read_size`.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        wanted: str | Sequence[str],
        size: int | Sequence[int],
        where: str,
        enlarge: int = 1,
    ) -> None:
        known = [model.camera(number).name for number in range(model.ncam)]
        self.names = (wanted,) if isinstance(wanted, str) else tuple(wanted)
        if not set(self.names) <= set(known) or len(set(self.names)) < len(self.names):
            raise InputError(f"{where}: cameras {list(self.names)}, wanted some of: {', '.join(known)}")
        self.height, self.width = read_size(size, where)
        self.small = CameraRenderer(model, self.height, self.width, enlarge)
        self.large = CameraRenderer(model, RENDER_PX, RENDER_PX * self.width // self.height, enlarge)

    @property
    def space(self) -> dict[str, spaces.Space[Any]]:
        """The part ``pixels`` of an observation space; nothing where no camera was asked for."""
        picture = spaces.Box(0, 255, (self.height, self.width, 3), np.uint8)
        if not self.names:
            return {}
        return {"pixels": spaces.Dict(dict.fromkeys(self.names, picture)) if len(self.names) > 1 else picture}

    def look(self, data: mujoco.MjData) -> dict[str, Any]:
        """Returns the part ``pixels`` of an observation of the state in ``data``."""
        pictures = {name: self.small.draw(data, name) for name in self.names}
        if not pictures:
            return {}
        return {"pixels": pictures if len(pictures) > 1 else pictures[self.names[0]]}

    def render(self, data: mujoco.MjData, camera: str) -> UInt8[np.ndarray, "384 w 3"]:
        """Returns a large picture."""
        return self.large.draw(data, camera)

    def close(self) -> None:
        self.small.close()
        self.large.close()
