"""What environments with a screen share: their spaces, and how actions and instructions are brought into them."""

from typing import Any

import numpy as np
from gymnasium import spaces

from worldmodel.types import EmbodimentSpec, InputError

MAX_TEXT = 512
UNKNOWN = "\ufffd"
CHARACTERS = "".join(filter(str.isprintable, map(chr, range(0x3000)))) + UNKNOWN


def screen_spaces(spec: EmbodimentSpec, height: int, width: int) -> tuple[spaces.Space[dict[str, Any]], spaces.Box]:
    """Returns the spaces of observations (``pixels``, ``agent_pos``, ``text``) and of actions.

    Args:
        spec: the body, see `worldmodel.data.screen.screen_spec`.
        height: of the picture, in px.
        width: of it.
    """
    low, high = (np.array(limit, np.float32) for limit in (spec.state_low, spec.state_high))
    seen = spaces.Dict(
        {
            "pixels": spaces.Box(0, 255, (height, width, 3), np.uint8),
            "agent_pos": spaces.Box(low, high, dtype=np.float32),
            "text": spaces.Text(MAX_TEXT, min_length=0, charset=CHARACTERS),
        }
    )
    return seen, spaces.Box(spec.action.low, spec.action.high, dtype=np.float32)


def read_action(action: Any, spec: EmbodimentSpec, where: str) -> np.ndarray:
    """Returns an action in double precision.

    Args:
        action: one number for each of the body's dimensions.
        spec: the body.
        where: named in the error.

    Raises:
        InputError: another shape, or a number that is not finite.
    """
    action = np.asarray(action, np.float64)
    if action.shape != (len(spec.action),) or not np.isfinite(action).all():
        found = f"action {action.tolist()}"[:200]
        raise InputError(f"{where}: {found}, wanted {len(spec.action)} finite numbers")
    return action


def readable(text: str) -> str:
    """Brings an instruction into the observation space."""
    known = frozenset(CHARACTERS)
    return "".join(sign if sign in known else UNKNOWN for sign in " ".join(text.split()))[:MAX_TEXT]
