"""Who acts in an environment, as far as a model has to know."""

import gymnasium
from gymnasium import spaces

from worldmodel.types import ActionDim, ActionSpec, EmbodimentSpec, InputError


def embodiment_of(env_id: str, env: gymnasium.Env) -> EmbodimentSpec:
    """Returns the environment's own ``embodiment``, or one derived from its spaces.

    Raises:
        InputError: actions that are neither a finite Box nor Discrete.
    """
    if isinstance(spec := getattr(env.unwrapped, "embodiment", None), EmbodimentSpec):
        return spec
    if isinstance(env.action_space, spaces.Discrete):
        first, last = int(env.action_space.start), int(env.action_space.start + env.action_space.n) - 1
        dims = (ActionDim("action", "categorical", float(first), float(last)),)
    elif isinstance(env.action_space, spaces.Box):
        limits = zip(env.action_space.low.ravel().tolist(), env.action_space.high.ravel().tolist(), strict=True)
        dims = tuple(ActionDim(f"action_{i}", "continuous", low, high) for i, (low, high) in enumerate(limits))
    else:
        raise InputError(f"{env_id}: action space {env.action_space}, wanted Box or Discrete")
    seen = env.observation_space
    position = seen.spaces.get("agent_pos") if isinstance(seen, spaces.Dict) else None
    state_low = position.low.ravel().tolist() if isinstance(position, spaces.Box) else []
    state_high = position.high.ravel().tolist() if isinstance(position, spaces.Box) else []
    name = env_id.rsplit("/", 1)[-1].rsplit(":", 1)[-1].lower()
    return EmbodimentSpec(name, ActionSpec(dims), state_low, state_high, float(env.metadata.get("render_fps", 10)))
