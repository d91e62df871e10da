"""A world model as a LeRobot policy: it acts by chunks, and learns to dream and to act from what is recorded."""

from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from lerobot.policies.pretrained import PreTrainedPolicy
from lerobot.utils.constants import ACTION, OBS_IMAGE, OBS_STATE
from safetensors.torch import load_file, save_file
from torch import Tensor

from lerobot_policy_worldmodel.configuration_worldmodel import WorldModelConfig
from worldmodel import checkpoint
from worldmodel.checkpoint import write_processors
from worldmodel.data.frames import resize_frames
from worldmodel.data.words import hash_words
from worldmodel.models.objective import act_loss, dream_loss, total
from worldmodel.models.world_model import WorldModel
from worldmodel.types import Batch, EmbodimentSpec

WEIGHTS = "model.safetensors"


class WorldModelPolicy(PreTrainedPolicy):
    """A checkpoint that plans from the last frames, the state and the task.

    Args:
        config: names the checkpoint that training starts from.
    """

    config_class = WorldModelConfig  # pyright: ignore[reportAssignmentType]
    name = "worldmodel"  # pyright: ignore[reportAssignmentType]

    def __init__(self, config: WorldModelConfig, **_: Any) -> None:
        super().__init__(config)
        self.config: WorldModelConfig = config
        bodies = [EmbodimentSpec.from_dict(spec) for spec in config.embodiments]
        self.model = WorldModel(config.shape, bodies)
        if config.pretrained_path is None:
            self.model.load_state_dict(checkpoint.load(config.checkpoint).state_dict())
        self.model.tokenizer.requires_grad_(False)
        if config.input_features:
            config.validate_features()
        self.reset()

    @classmethod
    def _load_as_safetensor(cls, model: "WorldModelPolicy", model_file: str, map_location: str, strict: bool):
        state = {key: value.float() for key, value in load_file(model_file).items()}
        model.model.load_state_dict(state, strict=strict)
        return model

    def _save_pretrained(self, save_directory: Path, state_dict: dict[str, Tensor] | None = None) -> None:
        self.config._save_pretrained(save_directory)
        state = self.model.state_dict() if state_dict is None else _without_prefix(state_dict)
        save_file({key: value.detach().cpu().contiguous() for key, value in state.items()}, save_directory / WEIGHTS)
        write_processors(save_directory)

    def get_optim_params(self) -> list[torch.nn.Parameter]:
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def reset(self) -> None:
        """Forgets what was seen and planned."""
        self._frames: deque[np.ndarray] = deque(maxlen=self.model.context_frames)
        self._plan: deque[Tensor] = deque()
        self._seed = 0

    def forward(self, batch: dict[str, Any]) -> tuple[Tensor, dict[str, float]]:
        """Errors of dreams and plans on recorded windows; pictures (b t c h w) in [0, 1], the rest in own units."""
        windows = self._windows(batch)
        config = self.model.config.objective
        losses = {f"dream/{name}": loss for name, loss in dream_loss(self.model.backbone, windows, config).items()}
        dreaming = total({name.removeprefix("dream/"): loss for name, loss in losses.items()}, config)
        acting = act_loss(self.model.backbone, windows, config)
        losses |= {f"act/{name}": loss for name, loss in acting.items()}
        return dreaming + total(acting, config), {name: float(loss.detach()) for name, loss in losses.items()}

    @torch.no_grad()
    def predict_action_chunk(self, batch: dict[str, Any], **_: Any) -> Tensor:
        """Plans from the frames seen since `reset`, this one included: (b, chunk, action)."""
        self._see(batch)
        return self._think(batch)

    @torch.no_grad()
    def select_action(self, batch: dict[str, Any], **_: Any) -> Tensor:
        """The next action of the present plan: (b, action)."""
        self._see(batch)
        if not self._plan:
            self._plan.extend(self._think(batch)[:, : self.config.execute].unbind(1))
        return self._plan.popleft()

    def _camera(self, batch: dict[str, Any]) -> Tensor:
        # A checkpoint that LeRobot did not train names no pictures: whatever is shown first, then.
        shown = self.config.image_features or (key for key in batch if key.startswith(OBS_IMAGE))
        return batch[self.config.camera or next(iter(shown))]

    def _see(self, batch: dict[str, Any]) -> None:
        pictures = rearrange(self._camera(batch), "b c h w -> b h w c")
        frames = (pictures * 255.0).round().to(torch.uint8).cpu().numpy()
        self._frames.append(resize_frames(frames, *self.model.frame_size))

    def _think(self, batch: dict[str, Any]) -> Tensor:
        body = self.config.body
        state = batch.get(OBS_STATE) if body.state_low else None
        state = None if state is None else state.float().cpu().numpy()
        text = list(batch["task"]) if self.model.reads_text and "task" in batch else None
        self._seed += 1
        chunk = self.model.act(np.stack(self._frames, 1), state, text, seed=self._seed, embodiment=body.name)
        return torch.from_numpy(chunk)

    def _windows(self, batch: dict[str, Any]) -> Batch:
        body, model = self.config.body, self.model
        pictures = self._camera(batch)
        b = len(pictures)
        frames = (rearrange(pictures, "b t c h w -> (b t) h w c") * 255.0).round().to(torch.uint8).cpu().numpy()
        device = model.tokenizer.latent_mean.device
        frames = torch.from_numpy(resize_frames(frames, *model.frame_size)).to(device)
        with torch.no_grad():
            latents = rearrange(model.tokenizer.encode(frames), "(b t) h w c -> b t h w c", b=b)
        actions = torch.from_numpy(body.action.normalise(batch[ACTION].float().cpu().numpy())).to(device)
        known = ~batch[f"{ACTION}_is_pad"]
        state = None
        if body.state_low and OBS_STATE in batch:
            values = torch.from_numpy(body.normalise_state(batch[OBS_STATE].float().cpu().numpy())).to(device)
            state = _padded(values, model.backbone.state_size)
        words = None
        if model.reads_text and "task" in batch:
            words = torch.from_numpy(np.stack([hash_words(text) for text in batch["task"]])).to(device)
        return Batch(
            actions=_padded(actions, model.backbone.action_size),
            action_mask=known.to(device),
            embodiment=torch.full((b,), model.embodiment_index(body.name), device=device),
            latents=latents,
            state=state,
            words=words,
        )


def _padded(values: Tensor, size: int) -> Tensor:
    return torch.nn.functional.pad(values, (0, size - values.shape[-1]))


def _without_prefix(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix("model."): value for key, value in state.items()}
