"""Overrides that turn the recipe ``tiny``, of minutes, into one of two steps a stage, of seconds."""

SETTINGS = {
    "datasets.explore.collect": "{episodes: 4, max_steps: 24, size: 32}",
    "datasets.explore.held_out": "0.3",
    "model.height": "32",
    "model.width": "32",
    "stages.tokenizer": "{steps: 2, batch: 4, compile: false}",
    "stages.pretrain": "{steps: 2, batch: 2, compile: false}",
    "stages.midtrain": "{steps: 2, batch: 2, compile: false}",
    "stages.finetune": "{steps: 2, batch: 2, compile: false}",
    "evaluation": "{windows: 2}",
}
OVERRIDES = [word for key, value in SETTINGS.items() for word in (f"--{key}", value)]
