"""What a scene looks like in an episode: as its XML says, or in other colours, other light, from a moved camera.

Level 0 leaves everything as it is, 1 draws colours, 2 draws light and cameras too. Objects are placed by the scene
itself, before anything is drawn here: a seed gives the same places at every level.
"""

# pyright: reportAttributeAccessIssue=false

import colorsys

import mujoco  # its classes come from compiled modules without stubs
import numpy as np

from worldmodel.types import InputError

LEVELS = (0, 1, 2)
MIN_HUE_GAP = 0.2  # between things that matter, of a circle of 1
LIGHT = (0.6, 1.25)  # brightness, times that of the XML
LAMP_TILT = 0.35  # of the lamp's direction, per axis
CAMERA_MOVE_M = 0.02
CAMERA_TURN_RAD = 0.03
FOVY_CHANGE_DEG = 2.0
GROUNDS = ("floor", "table")


class Randomiser:
    """Redraws the looks of a model, always from those of its XML.

    Args:
        model: changed in place: materials, lights, cameras.
        level: 0 nothing, 1 colours, 2 colours, light and cameras.
        where: named in the error.

    Raises:
        InputError: no such level.
    """

    def __init__(self, model: mujoco.MjModel, level: int, where: str) -> None:
        if level not in LEVELS:
            raise InputError(f"{where}: randomisation level {level!r}, wanted one of: 0, 1, 2")
        self._model, self._level = model, level
        names = [model.material(index).name for index in range(model.nmat)]
        self._grounds = [index for index, name in enumerate(names) if name in GROUNDS]
        self._things = [index for index, name in enumerate(names) if name not in (*GROUNDS, "gripper", "palm")]
        self._light = model.light_diffuse.copy(), model.light_dir.copy(), model.vis.headlight.diffuse.copy()
        self._camera = model.cam_pos.copy(), model.cam_quat.copy(), model.cam_fovy.copy()

    def draw(self, rng: np.random.Generator) -> None:
        """Draws the looks of an episode; the gripper keeps its own."""
        if self._level >= 1:
            self._colour(rng)
        if self._level >= 2:
            self._light_up(rng)
            self._move_cameras(rng)

    def _colour(self, rng: np.random.Generator) -> None:
        # Hues spread round the circle with a free rest, in any order: things that matter never look alike.
        count = len(self._things)
        rest = rng.dirichlet(np.ones(count)) * (1 - count * MIN_HUE_GAP)
        hues = (rng.random() + np.cumsum(MIN_HUE_GAP + rest)) % 1
        for index, hue in zip(self._things, rng.permutation(hues), strict=True):
            self._paint(index, hue, rng.uniform(0.65, 0.95), rng.uniform(0.6, 0.95))
        for index in self._grounds:
            self._paint(index, rng.random(), rng.uniform(0.0, 0.2), rng.uniform(0.45, 0.9))

    def _paint(self, material: int, hue: float, saturation: float, value: float) -> None:
        self._model.mat_rgba[material, :3] = colorsys.hsv_to_rgb(hue, saturation, value)

    def _light_up(self, rng: np.random.Generator) -> None:
        lamp, direction, headlight = self._light
        self._model.light_diffuse[:] = lamp * rng.uniform(*LIGHT)
        self._model.light_dir[:] = direction + rng.uniform(-LAMP_TILT, LAMP_TILT, direction.shape)
        self._model.light_dir[:] /= np.linalg.norm(self._model.light_dir, axis=1, keepdims=True)
        self._model.vis.headlight.diffuse[:] = headlight * rng.uniform(*LIGHT)

    def _move_cameras(self, rng: np.random.Generator) -> None:
        places, turns, fovy = self._camera
        self._model.cam_pos[:] = places + rng.uniform(-CAMERA_MOVE_M, CAMERA_MOVE_M, places.shape)
        self._model.cam_fovy[:] = fovy + rng.uniform(-FOVY_CHANGE_DEG, FOVY_CHANGE_DEG, fovy.shape)
        for index, turn in enumerate(turns):
            self._model.cam_quat[index] = turn
            mujoco.mju_quatIntegrate(self._model.cam_quat[index], rng.uniform(-1, 1, 3), CAMERA_TURN_RAD)
