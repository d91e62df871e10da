"""One dream that goes on frame by frame and can be taken back to any of its frames.

The only file of this package that knows how the model rolls out.
"""

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor
from torch.nn import functional as F

from worldmodel.models.world_model import WorldModel
from worldmodel.types import InputError


class Dream:
    """Frames that follow a context and one action each.

    The noise of a frame depends on the seed and the frame's number alone: after `rewind`, the same actions lead to the
    same frames.

    Args:
        model: dreams; its tokenizer must not compress time.
        embodiment: whose actions they are.
        frames: the context, oldest first, at the model's size.
        actions: what was done between the context frames, in their own units.
        seed: of the noise.

    Raises:
        InputError: the model gives several frames one latent.
    """

    def __init__(
        self,
        model: WorldModel,
        embodiment: str,
        frames: UInt8[np.ndarray, "t h w 3"],
        actions: Float32[np.ndarray, "t-1 a"],
        seed: int = 0,
    ) -> None:
        if model.frames_per_latent != 1:
            found = f"{model.frames_per_latent} frames per latent"
            raise InputError(f"play: this model has {found}, wanted one (a frame must answer its own action)")
        self._model, self._embodiment, self._seed = model, embodiment, seed
        self._spec = model.embodiments[model.embodiment_index(embodiment)].action
        self._latents = list(model.encode(frames[None]).split(1, 1))
        first = torch.zeros(1, model.backbone.action_size, device=self._latents[0].device)
        self._actions = [first, *(self._normalised(action) for action in actions)]  # actions[t] led to frame t
        self._context = len(frames)
        self._resume()

    def __len__(self) -> int:
        """Number of frames dreamed so far."""
        return len(self._latents) - self._context

    @torch.no_grad()
    def step(self, action: Float32[np.ndarray, "a"], steps: int) -> UInt8[np.ndarray, "h w 3"]:
        """Dreams the next frame.

        Args:
            action: leads to it, in the embodiment's own units.
            steps: Euler steps.
        """
        known = self._normalised(action)
        self._rollout.generators[0].manual_seed(self._seed + len(self._latents))
        latent = self._rollout.dream(known, steps)[:, None]
        self._latents.append(latent)
        self._actions.append(known)
        return self._model.decode(latent)[0, 0]

    def rewind(self, length: int) -> None:
        """Forgets all dreamed frames after the first ``length``."""
        end = self._context + length
        del self._latents[end:], self._actions[end:]
        self._resume()

    @torch.no_grad()
    def _resume(self) -> None:
        """Shows a fresh rollout as many of the last frames as can still have a say in the next one."""
        config = self._model.config.backbone
        reach = (config.layers // config.time_every + 1) * config.window + config.history
        self._rollout = self._model.rollout(1, embodiment=self._embodiment)
        self._rollout.observe(torch.cat(self._latents[-reach:], 1), torch.stack(self._actions[-reach:], 1))

    def _normalised(self, action: Float32[np.ndarray, "a"]) -> Tensor:
        values = torch.as_tensor(self._spec.normalise(action[None]), device=self._model.tokenizer.latent_mean.device)
        return F.pad(values, (0, self._model.backbone.action_size - values.shape[-1]))
