"""``worldmodel collect``: a policy acts in an environment, and what happens becomes a data set."""

import argparse

from worldmodel.commands.parsing import CONTINUES, add_env_options, declare, env_options, natural, positive

TEXT = """\
Records a LeRobot v3 data set. The same command continues an interrupted one,
and a larger --episodes adds to it. Episode i is seeded with S + i, so the data
are the same either way.

P is random, idle (who leaves a screen as it is), explore (a script that pushes
Push-T's block about), wander (one that hovers, clicks, drags, scrolls and types
anywhere on a page), expert or noisy-expert (scripts that do what a MuJoCo scene,
Meta-World or a page of MiniWoB++ asks for; noisy-expert:0.3 for another noise),
replay:DATASET (what another collection did from the same seeds), a checkpoint,
whose policy then acts, or a mixture by episode with weights, such as
expert=3,noisy-expert=1,random=1.

Recordings of pages also hold the raw events of mouse and keyboard, a file of
JSON lines per episode in DATASET/events.
"""
EXAMPLES = (
    "worldmodel collect --env PushT-v0 --policy explore --episodes 500 --output data/explore",
    "worldmodel collect --env PushT-v0 --policy pusht --env-option size=64 --episodes 50 --output data/own",
    "worldmodel collect --env Drawer-v0 --policy expert --task close --env-option 'cameras=[fixed,wrist]' "
    "--env-option level=2 --episodes 50 --output data/drawer",
    "worldmodel collect --env Browser-v0 --task click-test,enter-text --policy expert=3,noisy-expert=1,wander=1 "
    "--env-option hold=6 --episodes 500 --output data/clicks",
)


def add_to(commands: argparse._SubParsersAction) -> None:
    parser = declare(
        commands,
        "collect",
        call,
        summary="record a policy in an environment",
        text=TEXT,
        examples=EXAMPLES,
        after_interrupt=CONTINUES,
    )
    parser.add_argument("--env", required=True, metavar="ID", help="environment, see worldmodel info envs")
    parser.add_argument(
        "--policy",
        required=True,
        metavar="P",
        help="random, idle, explore, wander, expert, noisy-expert, replay:D, a checkpoint, or a mixture",
    )
    parser.add_argument(
        "--task",
        metavar="T",
        help="--env-option task=T; Browser-v0 takes several, with commas, and draws one for each episode",
    )
    parser.add_argument(
        "--episodes", required=True, type=positive, metavar="N", help="episodes in the data set at the end"
    )
    parser.add_argument("--output", required=True, metavar="DATASET", help="folder of the data set")
    parser.add_argument("--seed", type=natural, default=0, metavar="S", help="seed of the first episode (%(default)s)")
    parser.add_argument("--max-steps", type=positive, metavar="N", help="longest episode (the environment's own limit)")
    parser.add_argument("--workers", type=positive, default=1, metavar="N", help="processes that play (%(default)s)")
    parser.add_argument(
        "--ray", action="store_true", help="let them run on a Ray cluster (RAY_ADDRESS, or this machine)"
    )
    add_env_options(parser)


def call(args: argparse.Namespace) -> None:
    from policies.forkserver import start_forkserver

    if args.workers > 1 and not args.ray:
        start_forkserver()  # which imports what follows here, too, at the same time
    from policies.behaviours import read_behaviours
    from policies.collect import collect
    from worldmodel.commands.environments import full_id
    from worldmodel.commands.places import check_writable

    options = env_options(args)
    if args.task is not None:
        options |= {"task": _tasks(args.task)}
    read_behaviours(args.policy)
    env_id = full_id(args.env)
    collect(
        env_id,
        args.policy,
        args.episodes,
        check_writable(args.output),
        seed=args.seed,
        max_steps=args.max_steps,
        env_options=options,
        workers=args.workers,
        ray=args.ray,
    )


def _tasks(text: str) -> str | list[str]:
    """Reads one name or several; an address may have commas in it."""
    return text.split(",") if "," in text and "://" not in text else text
