"""``worldmodel rollout``: dreams of recorded episodes beside the truth."""

import argparse

from worldmodel.commands.parsing import add_checkpoint, add_data, add_engine, declare, natural, positive

TEXT = """\
Every dream starts from the first frames of an episode and then sees only its
recorded actions. Writes a film (real, dream, difference) and the frames of
every episode, and metrics.json.
"""
EXAMPLES = (
    "worldmodel rollout --checkpoint pusht --data lerobot/pusht --output outputs/rollout",
    "worldmodel rollout --checkpoint pusht --data recordings --episodes 0 7 --output outputs/two",
)


def add_to(commands: argparse._SubParsersAction) -> None:
    parser = declare(
        commands, "rollout", call, summary="dream recorded episodes from their actions", text=TEXT, examples=EXAMPLES
    )
    add_checkpoint(parser)
    add_data(parser, required=True)
    add_engine(parser)
    parser.add_argument("--output", required=True, metavar="DIR", help="folder for films and metrics.json")
    parser.add_argument("--episodes", nargs="+", type=natural, metavar="N", help="which episodes (the first four)")
    parser.add_argument(
        "--context", type=positive, default=4, metavar="N", help="real frames at the start (%(default)s)"
    )
    parser.add_argument("--steps", type=positive, metavar="N", help="frames to dream (to the end of the episode)")
    parser.add_argument(
        "--sampling-steps", type=positive, metavar="N", help="denoising steps per frame (the model's own)"
    )
    parser.add_argument("--camera", metavar="NAME", help="which camera, or tile for all (the first)")
    parser.add_argument("--seed", type=natural, default=0, metavar="S", help="seed of the noise (%(default)s)")


def call(args: argparse.Namespace) -> None:
    from worldmodel.checkpoint import load
    from worldmodel.commands.places import check_writable
    from worldmodel.data.open import open_dataset
    from worldmodel.rollout import rollout

    output = check_writable(args.output)
    rollout(
        load(args.checkpoint, engine=args.engine),
        open_dataset(args.data),
        output,
        episodes=args.episodes,
        context_frames=args.context,
        steps=args.steps,
        camera=args.camera,
        sampling_steps=args.sampling_steps,
        seed=args.seed,
    )
