"""Pictures of a MuJoCo model from software OpenGL, cheap ones: no shadow map, no mirrors."""

# pyright: reportAttributeAccessIssue=false

import mujoco  # its classes come from compiled modules without stubs
import numpy as np
from jaxtyping import UInt8

from worldmodel.data.frames import resize_frames
from worldmodel.types import InputError

SAMPLES = 4  # of a pixel
MAX_GEOMS = 200  # of one picture; no model here has more than 100


class CameraRenderer:
    """Draws what the cameras of a model see, in one size.

    The OpenGL context is made at the first picture, so that an environment whose pictures nobody asks for costs none.

    Args:
        model: its visual settings (``model.vis``) are read when the context is made.
        height: of the pictures, in px.
        width: of the pictures, in px.
        enlarge: draw so many times as high and wide, and shrink by averaging.
    """

    def __init__(self, model: mujoco.MjModel, height: int, width: int, enlarge: int = 1) -> None:
        self._model, self._height, self._width, self.enlarge = model, height, width, enlarge
        self._renderer: mujoco.Renderer | None = None

    def draw(self, data: mujoco.MjData, camera: str) -> UInt8[np.ndarray, "h w 3"]:
        """Returns a new picture of the state in ``data``, which `mujoco.mj_forward` must have completed.

        Raises:
            InputError: OpenGL cannot be had, as when mujoco was imported before ``envs`` and looks for a display.
        """
        if self._renderer is None:
            self._renderer = self._open(self._height * self.enlarge, self._width * self.enlarge)
        self._renderer.update_scene(data, camera)
        return resize_frames(self._renderer.render()[None], self._height, self._width)[0]

    def _open(self, height: int, width: int) -> mujoco.Renderer:
        self._model.vis.global_.offheight, self._model.vis.global_.offwidth = height, width
        try:
            return mujoco.Renderer(self._model, height, width, max_geom=MAX_GEOMS)
        except mujoco.FatalError as error:
            wanted = "wanted MUJOCO_GL=egl (or envs imported) before mujoco is imported"
            raise InputError(f"no OpenGL for pictures ({error}); {wanted}") from error

    def close(self) -> None:
        """Frees the OpenGL context; `draw` would make another."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


def make_cheap(model: mujoco.MjModel, samples: int = SAMPLES) -> None:
    """Turns off what software OpenGL pays most for: the shadow map, 99 % of a picture's time, and mirrors.

    Multisampling stays: it costs a third of the steps per second, and edges that jump by whole pixels are noise to
    whoever learns from the pictures. Only meshes of thousands of small triangles, each of which it pays for, come twice
    as fast, and smoother, without it (``samples`` 0) but drawn twice as large and shrunk.
    """
    model.vis.quality.shadowsize = 0
    model.vis.quality.offsamples = samples
    model.mat_reflectance[:] = 0
