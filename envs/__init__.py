"""Gymnasium environments: ``gymnasium.make("envs:worldmodel/PushT-v0")`` imports this package, which registers them."""

import os
import sys
import warnings

import gymnasium

# Before anything imports pygame: no window, no greeting, no warning about its packaging.
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)
# Before anything imports mujoco: without a display it draws by EGL. Where that is software (Mesa), more than one thread
# costs more than it gives at these picture sizes, and takes cores from other workers.
if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
    os.environ.setdefault("MUJOCO_GL", "egl")
os.environ.setdefault("LP_NUM_THREADS", "1")

gymnasium.register(id="worldmodel/PushT-v0", entry_point="envs.pusht:PushT", max_episode_steps=300)
gymnasium.register(id="worldmodel/TablePush-v0", entry_point="envs.tablepush:TablePush", max_episode_steps=200)
gymnasium.register(id="worldmodel/PickPlace-v0", entry_point="envs.pickplace:PickPlace", max_episode_steps=200)
gymnasium.register(id="worldmodel/Drawer-v0", entry_point="envs.drawer:Drawer", max_episode_steps=200)
gymnasium.register(id="worldmodel/MetaWorld-v0", entry_point="envs.metaworld:MetaWorld", max_episode_steps=500)
gymnasium.register(id="worldmodel/Aloha-v0", entry_point="envs.aloha:Aloha", max_episode_steps=400)
gymnasium.register(id="worldmodel/Browser-v0", entry_point="envs.browser:Browser", max_episode_steps=300)
gymnasium.register(
    id="worldmodel/Desktop-v0", entry_point="envs.desktop:Desktop", max_episode_steps=300, nondeterministic=True
)
gymnasium.register(
    id="worldmodel/Dream-v0", entry_point="envs.dream:Dream", vector_entry_point="envs.dream:DreamVectorEnv"
)
