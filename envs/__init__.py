"""Gymnasium environments: ``gymnasium.make("envs:worldmodel/PushT-v0")`` imports this package, which registers them."""

import os
import warnings

import gymnasium

# Before anything imports pygame: no window, no greeting, no warning about its packaging.
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)

gymnasium.register(id="worldmodel/PushT-v0", entry_point="envs.pusht:PushT", max_episode_steps=300)
