"""``worldmodel score``: what a dream says of policies, beside what the true environment says of them."""

import argparse
from typing import Any

from worldmodel.commands.parsing import add_engine, add_env_options, declare, env_options, natural, positive

FILMED = 2  # episodes of every policy in the report
MAX_STEPS = 1000  # of an episode in an environment that names no limit
TEXT = """\
Plays every policy in the true environment and in the dream, from the same first
frames, and says how far the two agree: success on both sides with 95 % intervals,
Pearson and Spearman correlation over policies, MMRV (what the worst mistakes of
order cost) and the optimism gap (dream less true). A policy is a checkpoint, the
folder of one that LeRobot trained, or a scripted one. Scripted ones other than
random read the true state, which a dream does not have: in the dream, they do
again what they did in the environment; hold=6 gives them time to be seen succeed.
Writes metrics.json, report.html (needs nothing else), score.png and films.
"""
EXAMPLES = (
    "worldmodel score --policies random noisy-expert:0.3 expert table --env TablePush-v0 --dream table --output out",
    "worldmodel score --policies outputs/act/checkpoints/*/pretrained_model --env PushT-v0 --dream pusht --output out",
)


def add_to(commands: argparse._SubParsersAction) -> None:
    parser = declare(
        commands, "score", call, summary="score policies in a dream and in truth", text=TEXT, examples=EXAMPLES
    )
    parser.add_argument("--policies", nargs="+", required=True, metavar="P", help="who is scored")
    parser.add_argument("--env", required=True, metavar="ID", help="the true environment, see worldmodel info envs")
    add_env_options(parser)
    parser.add_argument("--dream", required=True, metavar="C", help="checkpoint that dreams: name, folder or Hub id")
    add_engine(parser)
    parser.add_argument("--output", required=True, metavar="DIR", help="folder for measures, plot and films")
    parser.add_argument("--episodes", type=positive, default=50, metavar="N", help="of every policy (%(default)s)")
    parser.add_argument("--max-steps", type=positive, metavar="N", help="longest episode (the environment's own limit)")
    parser.add_argument(
        "--execute",
        type=positive,
        metavar="N",
        help="actions that checkpoints do per plan (their own number)",
    )
    parser.add_argument("--seed", type=natural, default=1000, metavar="S", help="of the first episode (%(default)s)")


def call(args: argparse.Namespace) -> None:
    from policies.behaviours import batch_maker, reads_true_state
    from policies.recorder import make_env
    from policies.scoring import Contender, score_policies
    from worldmodel.checkpoint import load
    from worldmodel.commands.environments import full_id
    from worldmodel.commands.places import check_writable
    from worldmodel.score_report import pairs, write_score

    env_id, options = full_id(args.env), env_options(args)
    output = check_writable(args.output)
    contenders = [Contender(name, batch_maker(name, args.execute), reads_true_state(name)) for name in args.policies]
    env = make_env(env_id, **options)
    limit = args.max_steps or (env.spec.max_episode_steps if env.spec else None) or MAX_STEPS
    fps = float(env.metadata.get("render_fps", 10))
    model = load(args.dream, engine=args.engine)
    measures, played = score_policies(
        contenders,
        lambda: make_env(env_id, **options),
        lambda frames: _dreams(model, env, frames, limit),
        episodes=args.episodes,
        seed0=args.seed,
        max_steps=limit,
        record=FILMED,
        progress=True,
    )
    env.close()
    metrics = {"env": env_id, "env_options": options, "dream": args.dream, "max_steps": limit, "score": measures}
    films = {name: pairs(scored.true[:FILMED], scored.dream[:FILMED], fps) for name, scored in played.items()}
    _say(measures, str(write_score(output, metrics, films)))


def _dreams(model: Any, env: Any, frames: Any, limit: int) -> Any:
    import gymnasium
    import numpy as np

    from policies.world_action import role
    from worldmodel.data.frames import resize_frames

    who = role(model, env)
    between = np.zeros((0, *env.action_space.shape), np.float32)
    starts = [(resize_frames(frame[None], *model.frame_size), between, who["text"]) for frame in frames]
    options = {"starts": starts, "embodiment": who["embodiment"], "max_steps": limit}
    return gymnasium.make_vec("envs:worldmodel/Dream-v0", num_envs=len(frames), checkpoint=model, **options)


def _say(measures: dict[str, Any], page: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from worldmodel.score_report import rate

    table = Table(title="success (95 % interval)", title_justify="left")
    for heading in ("policy", "true", "dream", "gap", "same verdict"):
        table.add_column(heading, justify="left" if heading == "policy" else "right")
    for name, result in measures["policies"].items():
        gap = result["dream"]["success_rate"] - result["true"]["success_rate"]
        sides = rate(result["true"]), rate(result["dream"])
        table.add_row(name, *sides, f"{gap:+.2f}", f"{100 * result['same_verdict']:.0f} %")
    Console().print(table)
    for name in ("pearson", "spearman", "mmrv", "optimism_gap"):
        value = measures[name]
        Console().print(f"{name}: {'n/a (all equal on one side)' if value is None else f'{value:.2f}'}")
    Console().print(f"report: {page}", soft_wrap=True)
