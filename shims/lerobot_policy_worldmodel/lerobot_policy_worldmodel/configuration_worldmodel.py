"""What LeRobot has to know of a world model: one of our checkpoints, or one that is fine-tuned from it.

The configuration is written as our ``config.json`` plus LeRobot's own keys, so that every folder that either side
writes is a checkpoint for both.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from lerobot.configs import FeatureType, NormalizationMode, PreTrainedConfig
from lerobot.optim import AdamWConfig

from worldmodel import checkpoint
from worldmodel.checkpoint import FORMAT_VERSION, model_config_from
from worldmodel.models.world_model import WorldModelConfig as Shape
from worldmodel.types import EmbodimentSpec, InputError


@PreTrainedConfig.register_subclass("worldmodel")
@dataclass
class WorldModelConfig(PreTrainedConfig):
    """A world model as a policy.

    Attributes:
        checkpoint: what training starts from: name of a shipped checkpoint, folder or Hub id.
        embodiment: who acts; the checkpoint's first one unless given.
        execute: actions of a chunk that are carried out before the next plan; None: as many as the checkpoint says.
        learning_rate: of AdamW.
        camera: key of the pictures, such as ``observation.images.top``; the first one unless given.
        format_version: of ``config.json``; this and what follows is ours.
        model: shape of the network; empty: the checkpoint's.
        embodiments: what the model knows of bodies.
        training: how it was trained.
    """

    checkpoint: str = "pusht"
    embodiment: str | None = None
    execute: int | None = None
    learning_rate: float = 3e-4
    camera: str | None = None
    push_to_hub: bool = False
    normalization_mapping: dict[str, NormalizationMode] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION
    model: dict[str, Any] = field(default_factory=dict)
    embodiments: list[Any] = field(default_factory=list)
    training: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.model:
            written = checkpoint.read_json(checkpoint.find(self.checkpoint))
            self.model, self.embodiments = written["model"], written["embodiments"]
            self.training = written.get("training", {})
        if self.shape.tokenizer.frames_per_latent != 1:
            found = self.shape.tokenizer.frames_per_latent
            raise InputError(f"{self.checkpoint}: {found} frames per latent, wanted one for a LeRobot policy")
        chunk = self.shape.backbone.chunk
        self.execute = min(self.shape.execute, chunk) if self.execute is None else self.execute
        if not 1 <= self.execute <= chunk:
            raise InputError(f"execute {self.execute}, wanted 1 to {chunk} (the model's chunk)")

    @cached_property
    def shape(self) -> Shape:
        """Shape of the network."""
        return model_config_from(self.model)

    @cached_property
    def body(self) -> EmbodimentSpec:
        """Who acts.

        Raises:
            InputError: the model does not know the embodiment.
        """
        bodies = {spec["name"]: EmbodimentSpec.from_dict(spec) for spec in self.embodiments}
        name = self.embodiment or next(iter(bodies))
        if name not in bodies:
            raise InputError(f"embodiment {name!r}, the model knows {', '.join(bodies)}")
        return bodies[name]

    @property
    def observation_delta_indices(self) -> list[int]:
        return list(range(1 - self.shape.backbone.window, 1))

    @property
    def action_delta_indices(self) -> list[int]:
        return list(range(1 - self.shape.backbone.window, self.shape.backbone.chunk))

    @property
    def reward_delta_indices(self) -> None:
        return None

    def get_optimizer_preset(self) -> AdamWConfig:
        return AdamWConfig(lr=self.learning_rate, weight_decay=0.01, grad_clip_norm=1.0)

    def get_scheduler_preset(self) -> None:
        return None

    def validate_features(self) -> None:
        """Refuses data that the body does not fit.

        Raises:
            InputError: no pictures, an unknown camera, or actions of another size.
        """
        cameras = list(self.image_features)
        if not cameras:
            raise InputError("features: found no pictures, wanted at least one camera")
        if self.camera is not None and self.camera not in cameras:
            raise InputError(f"camera {self.camera!r}, wanted one of {', '.join(cameras)}")
        actions = [feature for feature in (self.output_features or {}).values() if feature.type is FeatureType.ACTION]
        size = len(self.body.action)
        if [tuple(feature.shape) for feature in actions] != [(size,)]:
            found = [tuple(feature.shape) for feature in actions]
            raise InputError(f"actions: found {found}, wanted {size} numbers for embodiment {self.body.name!r}")
