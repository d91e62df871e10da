"""Pictures of a MuJoCo model from software OpenGL, cheap ones: no shadow map, few facets."""

# pyright: reportAttributeAccessIssue=false

import mujoco  # its classes come from compiled modules without stubs
import numpy as np
from jaxtyping import UInt8

from worldmodel.types import InputError

SAMPLES = 4  # of a pixel
MAX_GEOMS = 200  # of one picture; every scene here has fewer than 40


class CameraRenderer:
    """Draws what the cameras of a model see, in one size.

    The OpenGL context is made at the first picture, so that an environment whose pictures nobody asks for costs none.

    Args:
        model: its visual settings (``model.vis``) are read when the context is made.
        size: height and width of the pictures, in px.
    """

    def __init__(self, model: mujoco.MjModel, size: int) -> None:
        self._model, self._size = model, size
        self._renderer: mujoco.Renderer | None = None

    def draw(self, data: mujoco.MjData, camera: str) -> UInt8[np.ndarray, "h w 3"]:
        """Returns a new picture of the state in ``data``, which `mujoco.mj_forward` must have completed.

        Raises:
            InputError: OpenGL cannot be had, as when mujoco was imported before ``envs`` and looks for a display.
        """
        if self._renderer is None:
            self._model.vis.global_.offwidth = self._model.vis.global_.offheight = self._size
            try:
                self._renderer = mujoco.Renderer(self._model, self._size, self._size, max_geom=MAX_GEOMS)
            except mujoco.FatalError as error:
                wanted = "wanted MUJOCO_GL=egl (or envs imported) before mujoco is imported"
                raise InputError(f"no OpenGL for pictures ({error}); {wanted}") from error
        self._renderer.update_scene(data, camera)
        return self._renderer.render()

    def close(self) -> None:
        """Frees the OpenGL context; `draw` would make another."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


def make_cheap(model: mujoco.MjModel) -> None:
    """Turns off what software OpenGL pays most for: the shadow map, 99 % of a picture's time.

    Multisampling stays: it costs a third of the steps per second, and edges that jump by whole pixels are noise to
    whoever learns from the pictures.
    """
    model.vis.quality.shadowsize = 0
    model.vis.quality.offsamples = SAMPLES
