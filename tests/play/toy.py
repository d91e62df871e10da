"""A world small enough for tests: a square that goes half of the way to where it is sent."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from tests.models.tiny import ARM
from worldmodel.play.real import Real
from worldmodel.play.session import Session

HEIGHT, WIDTH = 32, 64


class Square(gymnasium.Env):
    """Cannot be put in a state, and ends at the lower right corner."""

    embodiment = ARM
    task_description = "go to the corner"
    action_space = spaces.Box(ARM.action.low, ARM.action.high, dtype=np.float32)
    observation_space = spaces.Dict(
        {"pixels": spaces.Box(0, 255, (HEIGHT, WIDTH, 3), np.uint8), "agent_pos": spaces.Box(0, 64, (2,), np.float32)}
    )

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.place = self.np_random.uniform(0, 20, 2)
        return self.look(), {}

    def step(self, action: np.ndarray):
        self.place = (self.place + action) / 2
        there = bool((self.place > (60, 28)).all())
        return self.look(), float(self.place[0]), there, False, {"is_success": there}

    def look(self):
        pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        x, y = self.place.astype(int)
        pixels[y : y + 6, x : x + 6] = 255
        return {"pixels": pixels, "agent_pos": self.place.astype(np.float32)}


class PlaceableSquare(Square):
    """Can be put in a state."""

    @property
    def state(self) -> np.ndarray:
        return self.place

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        if options:
            self.place = np.array(options["state"])
        return self.look(), {}


def game(model, env: type[Square] = Square) -> Session:
    return Session(model, Real(env(), HEIGHT, WIDTH))
