"""What page and server say to each other over the WebSocket.

The page sends JSON: ``{"type": "step", "action": [...] or null for the policy, "steps": n}``, ``{"type": "seek",
"frame": n}``, ``{"type": "start", "number": n}``, ``{"type": "clip"}``, ``{"type": "dataset"}``. It is answered once
each: a moment by a binary message (length of the header as uint32, little-endian; the header in JSON; the dreamed
picture and, where there is an environment, the real one, both as raw RGB), the others by JSON with a ``type``.
"""

import json
import struct
from typing import Any

import numpy as np

from worldmodel.play.session import Session
from worldmodel.types import InputError


def hello(session: Session) -> dict[str, Any]:
    """Describes the game to the page: picture size, actions, rate, and what there is to play with."""
    spec, (height, width) = session.spec, session.model.frame_size
    return {
        "type": "hello",
        "height": height,
        "width": width,
        "fps": spec.fps,
        "steps": session.model.sampling_steps,
        "real": session.real is not None,
        "task": session.real.text if session.real else None,
        "embodiment": spec.name,
        "dims": [
            {"name": dim.name, "kind": dim.kind, "low": dim.low, "high": dim.high, "unit": dim.unit}
            for dim in spec.action.dims
        ],
        "points": spec.action.points,
    }


def moment_message(session: Session, compute_ms: float) -> bytes:
    """Packs the moment that the viewer looks at."""
    line, now = session.line, session.now
    header = {
        "at": line.at,
        "length": len(line.moments),
        "number": session.number,
        "action": None if now.action is None else now.action.tolist(),
        "reward": now.reward,
        "best": max(moment.reward for moment in line.moments[: line.at + 1]),
        "success": now.success,
        "ended": session.ended,
        "compute_ms": round(compute_ms, 2),
    }
    text = json.dumps(header).encode()
    pictures = [now.dream] if now.real is None else [now.dream, now.real]
    return b"".join([struct.pack("<I", len(text)), text, *(picture.tobytes() for picture in pictures)])


def read_message(text: str) -> dict[str, Any]:
    """Reads what the page said.

    Raises:
        InputError: not a JSON object with a ``type``.
    """
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError("message is not JSON") from error
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise InputError("message without a type, wanted a JSON object that has one")
    return message


def apply(session: Session, message: dict[str, Any]) -> None:
    """Carries out a message that ends in a moment: step, seek or start.

    Raises:
        InputError: the message is of another type, or its values are.
    """
    kind = message["type"]
    if kind == "step":
        steps = None if message.get("steps") is None else _whole(message, "steps")
        session.step(_action(message.get("action")), steps)
    elif kind == "seek":
        session.seek(_whole(message, "frame"))
    elif kind == "start":
        session.start(_whole(message, "number"))
    else:
        raise InputError(f"message of type {kind[:20]!r}, wanted step, seek, start, clip or dataset")


def _whole(message: dict[str, Any], key: str) -> int:
    value = message.get(key)
    if type(value) is not int or abs(value) >= 2**31:
        raise InputError(f"{key} {str(value)[:20]}, wanted a whole number")
    return value


def _action(value: Any) -> np.ndarray | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(type(number) in (int, float) and abs(number) < 1e30 for number in value):
        raise InputError("action: wanted a list of numbers, or null for the policy's own")
    return np.array(value, np.float64).astype(np.float32)
