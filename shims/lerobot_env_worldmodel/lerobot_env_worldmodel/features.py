"""LeRobot's names for an environment, and for what it shows and takes."""

import gymnasium
from gymnasium import spaces
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.utils.constants import ACTION, OBS_IMAGE, OBS_IMAGES, OBS_STATE

import envs  # noqa: F401  (registers the ids)
from worldmodel.types import InputError

Features = tuple[dict[str, PolicyFeature], dict[str, str]]


def gym_id_of(task: str) -> str:
    """Completes ``PushT`` or ``PushT-v0`` to Gymnasium's id.

    Raises:
        InputError: there is no such environment.
    """
    name = f"worldmodel/{task if task[-3:-1] == '-v' else task + '-v0'}"
    if name not in gymnasium.registry:
        known = sorted(name.split("/")[1] for name in gymnasium.registry if name.startswith("worldmodel/"))
        raise InputError(f"env.task {task!r}, wanted one of: {', '.join(known)}")
    return name


def features_of(observation: spaces.Dict, action: spaces.Box) -> Features:
    """Features by their name in the environment, and their names in data sets."""
    features = {ACTION: PolicyFeature(FeatureType.ACTION, action.shape)}
    names = {ACTION: ACTION}
    pixels = observation["pixels"]
    cameras = (
        {f"pixels/{name}": (f"{OBS_IMAGES}.{name}", space) for name, space in pixels.items()}
        if isinstance(pixels, spaces.Dict)
        else {"pixels": (OBS_IMAGE, pixels)}
    )
    for key, (name, space) in cameras.items():
        assert space.shape is not None
        features[key], names[key] = PolicyFeature(FeatureType.VISUAL, space.shape), name
    if "agent_pos" in observation.spaces:
        shape = observation["agent_pos"].shape
        assert shape is not None
        features["agent_pos"], names["agent_pos"] = PolicyFeature(FeatureType.STATE, shape), OBS_STATE
    return features, names
