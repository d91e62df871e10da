"""Nothing is normalised outside of the model: it brings actions and state to [-1, 1] itself."""

from typing import Any

from lerobot.processor import PolicyProcessorPipeline
from lerobot.processor.factory import make_default_policy_processor_steps, make_policy_processor_pipelines

from lerobot_policy_worldmodel.configuration_worldmodel import WorldModelConfig


def make_worldmodel_pre_post_processors(
    config: WorldModelConfig, dataset_stats: dict[str, Any] | None = None
) -> tuple[PolicyProcessorPipeline, PolicyProcessorPipeline]:
    """Pipelines that rename, add the batch dimension and move to the device."""
    steps = make_default_policy_processor_steps(config, dataset_stats)
    return make_policy_processor_pipelines(
        [steps.rename_observations, steps.add_batch_dim, steps.to_device], [steps.to_cpu]
    )
