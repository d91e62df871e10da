"""The real environment beside the dream: stepped with it, and taken back to any moment with it."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from jaxtyping import Float32, UInt8

from worldmodel.data.frames import resize_frames
from worldmodel.types import InputError

START_SEED = 1000  # start 0 is the first episode that policies are scored on


class Real:
    """A Gymnasium environment with ``pixels`` that can be rewound.

    Where its class has a property ``state`` that ``reset(options={"state": ...})`` takes back (as Push-T has), a
    moment is restored from it, at rest; elsewhere by doing the same actions from the same start again.

    Args:
        env: with dict observations.
        height: of the pictures handed out, in px.
        width: of the pictures handed out, in px.

    Attributes:
        ended: the episode has come to its end.
        success: the goal was reached by the last action.
        reward: earned by the last action.
    """

    def __init__(self, env: gymnasium.Env, height: int, width: int) -> None:
        self.env, self._size = env, (height, width)
        self._restorable = isinstance(getattr(type(env.unwrapped), "state", None), property)

    def start(self, number: int) -> UInt8[np.ndarray, "h w 3"]:
        """Begins the start of this number; the same number is the same start."""
        self._number, self._actions, self._states = number, [], []
        return self._begin()

    def step(self, action: Float32[np.ndarray, "a"]) -> UInt8[np.ndarray, "h w 3"]:
        """Does an action, in its own units."""
        self._actions.append(action)
        return self._do(action)

    def rewind(self, length: int) -> None:
        """Goes back to the moment after the first ``length`` actions."""
        del self._actions[length:], self._states[length + 1 :]
        if self._restorable:
            state = self._states.pop()
            self._begin({"state": state})
        else:
            actions, self._states = self._actions, []
            self._begin()
            for action in actions:
                self._do(action)

    @property
    def position(self) -> Float32[np.ndarray, "s"] | None:
        """Proprioception now (``agent_pos``), where there is one."""
        found = self._seen.get("agent_pos")
        return None if found is None else np.array(found, np.float32)

    @property
    def text(self) -> str | None:
        """The task in words, where there are any."""
        return self._seen.get("text") or getattr(self.env.unwrapped, "task_description", None)

    def close(self) -> None:
        self.env.close()

    def _begin(self, options: dict[str, Any] | None = None) -> UInt8[np.ndarray, "h w 3"]:
        self._seen, _ = self.env.reset(seed=START_SEED + self._number, options=options)
        self.ended, self.success, self.reward = False, False, 0.0
        return self._look()

    def _do(self, action: Float32[np.ndarray, "a"]) -> UInt8[np.ndarray, "h w 3"]:
        space = self.env.action_space
        done = int(action[0]) if isinstance(space, spaces.Discrete) else action.reshape(space.shape or ())
        self._seen, reward, terminated, truncated, info = self.env.step(done)
        self.ended, self.success = bool(terminated or truncated), bool(info.get("is_success", False))
        self.reward = float(reward)
        return self._look()

    def _look(self) -> UInt8[np.ndarray, "h w 3"]:
        if self._restorable:
            self._states.append(np.array(getattr(self.env.unwrapped, "state")))  # noqa: B009 - not every env has it
        pixels = self._seen["pixels"]
        if not isinstance(pixels, np.ndarray):
            raise InputError(f"play: {type(self.env.unwrapped).__name__} has several cameras, wanted one")
        return resize_frames(pixels[None], *self._size)[0]
