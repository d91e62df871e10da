"""``worldmodel eval``: scores a checkpoint's dreams on recordings, its policy in an environment, or tokenizers."""

import argparse
from typing import TYPE_CHECKING, Any

from worldmodel.commands.parsing import add_engine, add_env_options, add_size, declare, env_options, natural, positive

if TYPE_CHECKING:
    from policies.episodes import PolicyEpisode
    from worldmodel.rollout import Dreamer

FILMED = 6  # policy episodes shown in the report
MAX_STEPS = 1000  # of an episode in an environment that names no limit
TEXT = """\
--data scores the dream on recordings, --env scores the policy; give one or
both. Writes metrics.json, report.html (needs nothing else) and films. The
recordings should be ones that the checkpoint was not trained on. --tokenizer
compares autoencoders on --data instead: what they keep, how fast, in how many
bytes.
"""
EXAMPLES = (
    "worldmodel eval --checkpoint pusht --data recordings --output outputs/dream",
    "worldmodel eval --checkpoint pusht --env PushT-v0 --beside random explore --output outputs/policy",
    "worldmodel eval --tokenizer pusht taef2 --data recordings --output outputs/tokenizers",
)


def add_to(commands: argparse._SubParsersAction) -> None:
    parser = declare(
        commands, "eval", call, summary="score dreams and policy, write a report", text=TEXT, examples=EXAMPLES
    )
    parser.add_argument("--checkpoint", metavar="C", help="name of a shipped checkpoint (pusht), a folder, or a Hub id")
    add_engine(parser)
    text = "a checkpoint, taef2, or an AutoencoderTiny or AutoencoderKLWan (folder or Hub id)"
    parser.add_argument("--tokenizer", nargs="+", metavar="T", help=text)
    parser.add_argument("--data", metavar="D", help="recordings that score the dream, or the tokenizers")
    add_size(parser)
    parser.add_argument("--env", metavar="ID", help="environment that scores the policy, see worldmodel info envs")
    add_env_options(parser)
    parser.add_argument("--output", required=True, metavar="DIR", help="folder for metrics.json, report.html and films")
    parser.add_argument("--windows", type=positive, default=128, metavar="N", help="dreams (%(default)s)")
    parser.add_argument("--horizon", type=positive, default=16, metavar="N", help="frames per dream (%(default)s)")
    parser.add_argument("--camera", metavar="NAME", help="which camera of the recordings, or tile for all (the first)")
    parser.add_argument("--ocr", action="store_true", help="read the text that is typed in dreamed screens, too")
    parser.add_argument(
        "--sampling-steps", type=positive, metavar="N", help="denoising steps per frame (the model's own)"
    )
    parser.add_argument("--episodes", type=positive, default=50, metavar="N", help="policy episodes (%(default)s)")
    parser.add_argument("--execute", type=positive, metavar="N", help="actions carried out per plan (the model's own)")
    parser.add_argument("--beside", nargs="+", default=[], metavar="P", help="policies to compare with, as in collect")
    parser.add_argument(
        "--seed", type=natural, default=1000, metavar="S", help="of windows and first episode (%(default)s)"
    )


def call(args: argparse.Namespace) -> None:
    from worldmodel.checkpoint import load
    from worldmodel.commands.places import check_writable
    from worldmodel.report import write_report
    from worldmodel.types import InputError

    if bool(args.checkpoint) == bool(args.tokenizer):
        raise InputError("eval: wanted either --checkpoint or --tokenizer")
    if args.tokenizer:
        _tokenizers(args)
        return
    if args.size:
        raise InputError("eval: --size is for --tokenizer, a checkpoint has a size of its own")
    if not (args.data or args.env):
        raise InputError("eval: neither --data nor --env found, wanted at least one")
    output = check_writable(args.output)
    model = load(args.checkpoint, engine=args.engine)
    metrics: dict[str, Any] = {"checkpoint": args.checkpoint}
    samples, films = None, []
    if args.env:
        metrics["policy"], episodes, fps = _policy(args, model)
        films = [episode.film(fps) for episode in episodes if episode.frames]
    if args.data:
        dream, samples = _dream(args, model)
        metrics |= dream
    page = write_report(output, metrics, title=f"World model {args.checkpoint}", dream=samples, episodes=films)
    _say(metrics, str(page))


def _tokenizers(args: argparse.Namespace) -> None:
    from worldmodel.commands.tokenizer_table import compare_tokenizers
    from worldmodel.types import InputError

    if not args.data or args.env:
        raise InputError("eval: --tokenizer is scored on recordings, wanted --data and no --env")
    size = tuple(args.size) if args.size else None
    compare_tokenizers(args.tokenizer, args.data, args.output, size=size, camera=args.camera, seed=args.seed)


def _dream(args: argparse.Namespace, model: "Dreamer") -> tuple[dict[str, Any], Any]:
    from worldmodel.data.open import open_dataset
    from worldmodel.evaluate import evaluate_dream
    from worldmodel.screen.measures import evaluate_screen, is_screen
    from worldmodel.types import InputError

    source = open_dataset(args.data)
    options: dict[str, Any] = {"steps": args.horizon, "max_windows": args.windows, "camera": args.camera}
    options |= {"sampling_steps": args.sampling_steps, "seed": args.seed, "progress": True}
    screen = {}
    if is_screen(source.embodiments[0]):
        screen = {"screen": evaluate_screen(model, source, ocr=args.ocr, **options)}
    elif args.ocr:
        raise InputError(f"--ocr: {args.data} has no screens, wanted recordings of somebody with a pointer and keys")
    metrics, samples = evaluate_dream(model, source, **options)
    return metrics | screen, samples


def _policy(args: argparse.Namespace, model: "Dreamer") -> "tuple[dict[str, Any], list[PolicyEpisode], float]":
    from policies.behaviours import batch_maker
    from policies.evaluation import evaluate_policy
    from policies.recorder import make_env
    from policies.world_action import BatchWorldActionPolicy, role
    from worldmodel.commands.environments import full_id

    env_id, options = full_id(args.env), env_options(args)
    first = make_env(env_id, **options)
    fps, limit = float(first.metadata.get("render_fps", 10)), first.spec.max_episode_steps if first.spec else None
    first.close()
    metrics, episodes = evaluate_policy(
        lambda: make_env(env_id, **options),
        lambda envs: BatchWorldActionPolicy(model, args.execute, **role(model, envs[0])),
        episodes=args.episodes,
        seed0=args.seed,
        max_steps=limit or MAX_STEPS,
        record=FILMED,
        references={name: batch_maker(name, args.execute) for name in args.beside},
        progress=True,
    )
    return {"env": env_id, "env_options": options, **metrics}, episodes, fps


def _say(metrics: dict[str, Any], page: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from worldmodel.report_table import lookup

    table = Table(title="all measures: metrics.json", title_justify="left")
    table.add_column("measure")
    table.add_column("value", justify="right")
    for name in HEADLINES:
        value = lookup(metrics, name)
        if isinstance(value, int | float):
            table.add_row(name, f"{value:.3g}")
    Console().print(table)
    Console().print(f"report: {page}", soft_wrap=True)


HEADLINES = (
    "frames.changed_psnr_db",
    "frames.copy_last.changed_psnr_db",
    "frames.ceiling.changed_psnr_db",
    "control.shuffle_ratio",
    "control.inverse_r2_dream",
    "actions.inverse_r2",
    "screen.pointer.median_px",
    "screen.transitions.accuracy",
    "screen.transitions.majority",
    "screen.events.pointer_r2",
    "screen.events.left.f1",
    "policy.mean_score",
    "policy.success_rate",
    "policy.ms_per_action",
)
