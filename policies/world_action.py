"""The world-action model as a policy: sees the last frames, plans a chunk of actions, carries out its first part."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import gymnasium
import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from policies.batch import picture
from policies.bodies import embodiment_of
from worldmodel.data.frames import resize_frames
from worldmodel.rollout import Dreamer
from worldmodel.types import InputError


class Role(TypedDict):
    """What the policies below have to know of an environment."""

    embodiment: str
    text: str | None


def role(model: Dreamer, env: gymnasium.Env) -> Role:
    """Who a model is in an environment, and what its task is.

    A model with one body is taken for it in any environment.

    Raises:
        InputError: none of the model's bodies is this environment's.
    """
    text = getattr(env.unwrapped, "task_description", None) or None
    names = [body.name for body in model.embodiments]
    if len(names) == 1:
        return {"embodiment": names[0], "text": text}
    where = env.spec.id if env.spec else type(env.unwrapped).__name__
    if (name := embodiment_of(where, env).name) not in names:
        raise InputError(f"{where}: embodiment {name!r}, the model knows {', '.join(names)}")
    return {"embodiment": name, "text": text}


class BatchWorldActionPolicy:
    """Controls many environments with one model; those that need a plan at the same step are planned for together.

    At the start of an episode the context is shorter: the model sees only frames that there were. Where a frame is a
    latent, what was encoded for one plan is kept for the next.

    Args:
        model: plans.
        execute: actions of a chunk that are carried out before the next plan; the model's own number unless given.
        camera: name of the camera; the first one unless given.
        imagine: dream the frames that the actions lead to together with them (``joint``); otherwise no future frame
            is rendered (``policy``).
        embodiment: who acts; the model's first one unless given, see `role`.
        text: instruction where observations hold none.

    Raises:
        InputError: execute is not between 1 and the model's chunk length; the model does not know the embodiment.
    """

    def __init__(
        self,
        model: Dreamer,
        execute: int | None = None,
        camera: str | None = None,
        *,
        imagine: bool = False,
        embodiment: str | None = None,
        text: str | None = None,
    ) -> None:
        execute = min(model.config.execute, model.chunk_length) if execute is None else execute
        if not 1 <= execute <= model.chunk_length:
            raise InputError(f"policy: execute {execute}, wanted 1 to {model.chunk_length} (the model's chunk length)")
        self.model, self.execute, self.camera, self.imagine = model, execute, camera, imagine
        self.embodiment, self.text = embodiment, text
        bodies = {body.name: body for body in model.embodiments}
        if embodiment is not None and embodiment not in bodies:
            raise InputError(f"policy: embodiment {embodiment!r}, the model knows {', '.join(bodies)}")
        self._sees_state = bool((bodies[embodiment] if embodiment else model.embodiments[0]).state_low)
        self.reset([0])

    def reset(self, seeds: Sequence[int]) -> None:
        """Forgets the past; the plans' noise follows from the first seed and the environments' number and order."""
        self._seed = seeds[0]
        self._unseen = [0 for _ in seeds]  # frames that are not encoded yet
        self._frames: list[deque[np.ndarray]] = [deque(maxlen=self.model.context_frames) for _ in seeds]
        self._latents: list[deque[Tensor]] = [deque(maxlen=self.model.context_frames) for _ in seeds]
        self._plans: list[deque[np.ndarray]] = [deque() for _ in seeds]

    def act(self, observations: Mapping[int, Mapping[str, Any]]) -> dict[int, Float32[np.ndarray, "a"]]:
        for number, observation in observations.items():
            self._see(number, picture(observation, self.camera))
        planless = [number for number in observations if not self._plans[number]]
        # One call for all whose past is equally long; where all episodes began together, that is all of them.
        for length in sorted({len(self._frames[number]) for number in planless}):
            self._plan([number for number in planless if len(self._frames[number]) == length], observations)
        return {number: self._plans[number].popleft() for number in observations}

    def _plan(self, numbers: Sequence[int], observations: Mapping[int, Mapping[str, Any]]) -> None:
        frames = np.stack([np.stack(self._frames[number]) for number in numbers])
        seen = [observations[number] for number in numbers]
        texts = [observation.get("text", self.text) for observation in seen] if self.model.reads_text else None
        if self.imagine:
            options = {"seed": self._seed, "embodiment": self.embodiment, "text": texts}
            _, chunks = self.model.imagine_joint(frames, self.execute, **options)
        else:
            context = frames if self.model.frames_per_latent > 1 else self._encoded(numbers)
            chunks = self.model.act(context, self._states(seen), texts, seed=self._seed, embodiment=self.embodiment)
        self._seed += 1
        for number, chunk in zip(numbers, chunks, strict=True):
            self._plans[number].extend(chunk[: self.execute])

    def _encoded(self, numbers: Sequence[int]) -> Tensor:
        """Latents of the frames at hand; only those that are new since the last plan are encoded."""
        owners = [number for number in numbers for _ in range(self._unseen[number])]
        pictures = [list(self._frames[n])[len(self._frames[n]) - self._unseen[n] :] for n in numbers]
        latents = self.model.encode(np.stack([frame for frames in pictures for frame in frames])[:, None])
        for number, latent in zip(owners, latents, strict=True):
            self._latents[number].append(latent)
            self._unseen[number] = 0
        return torch.stack([torch.cat(list(self._latents[number])) for number in numbers])

    def _see(self, number: int, pixels: UInt8[np.ndarray, "h w 3"]) -> None:
        self._frames[number].append(resize_frames(pixels[None], *self.model.frame_size)[0])
        self._unseen[number] = min(self._unseen[number] + 1, self.model.context_frames)

    def _states(self, observations: Sequence[Mapping[str, Any]]) -> Float32[np.ndarray, "b s"] | None:
        if not self._sees_state:
            return None
        if any("agent_pos" not in observation for observation in observations):
            raise InputError("policy: the environment's observation has no 'agent_pos', the model wants a state")
        return np.stack([np.asarray(observation["agent_pos"], np.float32) for observation in observations])


class WorldActionPolicy:
    """The same for one environment, as a `worldmodel.types.Policy`.

    Args:
        model: plans.
        execute: actions of a chunk that are carried out before the next plan; the model's own number unless given.
        camera: name of the camera; the first one unless given.
        embodiment: who acts; the model's first one unless given, see `role`.
        text: instruction where observations hold none.

    Raises:
        InputError: execute is not between 1 and the model's chunk length; the model does not know the embodiment.
    """

    def __init__(
        self,
        model: Dreamer,
        execute: int | None = None,
        camera: str | None = None,
        *,
        embodiment: str | None = None,
        text: str | None = None,
    ) -> None:
        self._batch = BatchWorldActionPolicy(model, execute, camera, embodiment=embodiment, text=text)

    def reset(self, seed: int | None = None) -> None:
        self._batch.reset([seed or 0])

    def act(self, observation: Mapping[str, Any]) -> Float32[np.ndarray, "a"]:
        return self._batch.act({0: observation})[0]
