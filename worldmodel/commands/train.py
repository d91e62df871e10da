"""``worldmodel run`` and ``worldmodel train``: a whole recipe, or one stage of it, from a YAML file and overrides."""

import argparse
from typing import TYPE_CHECKING

from worldmodel.commands.parsing import CONTINUES, declare

if TYPE_CHECKING:
    from worldmodel.config import RecipeConfig

RUN_TEXT = """\
Collects or reads the data, trains every stage, evaluates, and writes a report.
What is finished is not repeated: after a crash or an interrupt the same command
continues, and ends in the same weights.

CONFIG is a YAML file or the name of a shipped recipe. Words after it replace
single values of the file.
"""
RUN_EXAMPLES = (
    "worldmodel run tiny",
    "worldmodel run configs/pusht.yaml --output runs/pusht",
    "worldmodel run configs/pusht.yaml --seed 1 --wandb offline",
)
TRAIN_TEXT = """\
Trains one stage of CONFIG (named by --stage if there are several; those before
it must be finished) and ends with a checkpoint. An interrupted stage continues
exactly.
"""
TRAIN_EXAMPLES = ("worldmodel train configs/pusht.yaml --stage tokenizer --output runs/pusht",)


def add_to(commands: argparse._SubParsersAction) -> None:
    for name, call, summary, text, examples in (
        ("run", call_run, "carry out a whole recipe", RUN_TEXT, RUN_EXAMPLES),
        ("train", call_train, "train one stage of a recipe", TRAIN_TEXT, TRAIN_EXAMPLES),
    ):
        parser = declare(
            commands,
            name,
            call,
            summary=summary,
            text=text,
            examples=examples,
            after_interrupt=CONTINUES,
            overridable=True,
        )
        parser.add_argument("config", metavar="CONFIG", help="YAML file, or name of a shipped recipe (tiny, pusht)")
        if name == "train":
            parser.add_argument("--stage", metavar="NAME", help="which stage, where CONFIG has several")


def call_run(args: argparse.Namespace) -> None:
    _carry_out(args, _config(args), None)


def call_train(args: argparse.Namespace) -> None:
    from worldmodel.types import InputError

    config = _config(args)
    if args.stage is None and len(config.stages) > 1:
        raise InputError(f"{args.config}: {len(config.stages)} stages, wanted --stage {' or '.join(config.stages)}")
    _carry_out(args, config, args.stage or next(iter(config.stages)))


def _config(args: argparse.Namespace) -> "RecipeConfig":
    from worldmodel.commands.places import find_recipe
    from worldmodel.config import load_config

    return load_config(find_recipe(args.config), args.overrides)


def _carry_out(args: argparse.Namespace, config: "RecipeConfig", stage: str | None) -> None:
    from worldmodel.commands.places import check_writable

    # From here on, errors that name no file name this folder.
    args.output = str(check_writable(config.output))
    from worldmodel.commands import recipe_parts
    from worldmodel.recipe import run_recipe

    run_recipe(config, recipe_parts.collect, recipe_parts.evaluate, only=stage)
