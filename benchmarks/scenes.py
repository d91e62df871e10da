"""Steps a second of the MuJoCo environments on one core, without and with a picture, beside default render settings.

    python benchmarks/scenes.py --output outputs/scenes.json

The expert acts (random where there is none), and starts over when an episode ends. "step" is physics, reward and
observation without a picture; "frame" adds one picture; the peer is the same with the settings that MuJoCo starts with
(a shadow map of 4096 px, four samples a pixel). Steps are counted per second of processor time, all threads together,
so that a busy machine changes little; without load this is the rate of one core. Runs take turns, and ratios are
medians over the turns.
"""

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import gymnasium
from rich.console import Console
from rich.table import Table

import envs  # noqa: F401  (registers the ids, chooses how MuJoCo draws)
from policies.scripted import fitting, make_policy
from worldmodel.output import make_folder, write_json

NAMES = ("TablePush", "PickPlace", "Drawer", "MetaWorld", "Aloha")


class Running:
    """An environment in which somebody acts, episode after episode."""

    def __init__(self, name: str, **options: Any) -> None:
        self.env = gymnasium.make(f"envs:worldmodel/{name}-v0", **options)
        self.policy = make_policy(fitting(("expert", "random"), self.env)[0], self.env)
        self.seed, self.over = 0, True

    def step(self) -> None:
        if self.over:
            self.seen, _ = self.env.reset(seed=self.seed)
            self.policy.reset(self.seed)
            self.seed += 1
        self.seen, _, terminated, truncated, _ = self.env.step(self.policy.act(self.seen))
        self.over = terminated or truncated

    def per_s(self, steps: int) -> float:
        begin = time.process_time()
        for _ in range(steps):
            self.step()
        return steps / (time.process_time() - begin)


def as_by_default(running: Running) -> Running:
    """Undoes what makes pictures cheap (apart from mirrors, which cost little), before the first one."""
    running.env.get_wrapper_attr("cameras").small.enlarge = 1
    as_default_settings(running.env.get_wrapper_attr("model"))
    return running


def as_default_settings(model: Any) -> None:
    """Gives a MuJoCo model the render settings that MuJoCo starts with."""
    ours, plain = model.vis.quality, type(model).from_xml_string("<mujoco/>").vis.quality
    for setting in ("shadowsize", "offsamples", "numslices", "numstacks", "numquads"):
        setattr(ours, setting, getattr(plain, setting))


def measure(name: str, size: int, steps: int, default_steps: int, repeats: int) -> dict[str, Any]:
    """Medians over the turns, and the ratio of paired runs."""
    runs = {
        "step": (Running(name, cameras=[]), steps),
        "frame": (Running(name, size=size), steps),
        "default": (as_by_default(Running(name, size=size)), default_steps),
    }
    for running, _ in runs.values():
        running.step()  # makes the OpenGL context
    rows = [{kind: running.per_s(count) for kind, (running, count) in runs.items()} for _ in range(repeats)]
    for running, _ in runs.values():
        running.env.close()
    result = {kind: statistics.median(row[kind] for row in rows) for kind in runs}
    return result | {"ratio": statistics.median(row["frame"] / row["default"] for row in rows)}


def show(result: dict[str, Any]) -> None:
    """Prints everything as a table."""
    table = Table("environment", "step/s", "with a frame/s", "default settings/s", "times faster")
    for name, ours in result["ours"].items():
        default, ratio = result["peers"]["mujoco_default"][name], result["ratio"]["mujoco_default"][name]
        table.add_row(
            name, f"{ours['steps_per_s']:.0f}", f"{ours['frames_per_s']:.0f}", f"{default:.1f}", f"{ratio:.0f}"
        )
    Console().print(table)


def main() -> None:
    """Prints a table and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=64, help="of the frames, in px")
    parser.add_argument("--steps", type=int, default=200, help="per turn")
    parser.add_argument("--default-steps", type=int, default=5, help="per turn with MuJoCo's default settings")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output")
    args = parser.parse_args()
    found = {name: measure(name, args.size, args.steps, args.default_steps, args.repeats) for name in NAMES}
    result = {
        "ours": {
            name: {"steps_per_s": row["step"], "frames_per_s": row["frame"], "size_px": args.size}
            for name, row in found.items()
        },
        "peers": {"mujoco_default": {name: row["default"] for name, row in found.items()}},
        "ratio": {"mujoco_default": {name: row["ratio"] for name, row in found.items()}},
    }
    show(result)
    if args.output:
        output = Path(args.output)
        write_json(make_folder(output.parent) / output.name, result)


if __name__ == "__main__":
    main()
