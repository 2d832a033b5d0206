"""``pibench compress``: compress a model for private inference, and save it."""

from __future__ import annotations

import argparse
from typing import Any

from pibench.arguments import path, seed, words
from pibench.cli.run import nothing_more
from pibench.errors import InputError, one_line, pick
from pibench.measure.accuracy import float_scores
from pibench.measure.options import OPTIONS, defaults
from pibench.measure.plan import Cell, Plan
from pibench.measure.profiles import PROFILES
from pibench.measure.stages import served
from pibench.measure.workbench import Workbench, writable
from pibench.methods.contract import Skip, Variant
from pibench.methods.registry import METHODS
from pibench.model.pretrained import PrivateModel, refuse_other_files
from pibench.training.finetune import predict

_OPTIONS = ("--backbone", "--seq-len", "--glue-dir", "--data")
"""The options of a run that apply here too."""


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    compress = commands.add_parser(
        "compress",
        help="tune a backbone on a task, compress it by a method, and save it",
        description="The folder loads with pibench.model.pretrained.PrivateModel.from_pretrained and, for its "
        "tokenizer, transformers' AutoTokenizer.from_pretrained.",
    )
    for name in _OPTIONS:
        compress.add_argument(name, **OPTIONS[name])
    compress.add_argument("--task", default="sst2", help="task (%(default)s)")
    compress.add_argument("--method", default="ig3d", help="see pibench list (%(default)s)")
    compress.add_argument("--variant", type=words, help="the method's variant (default: its first)")
    compress.add_argument("--profile", default="full", help=f"{' or '.join(PROFILES)} (%(default)s)")
    compress.add_argument("--seed", type=seed, default=0, help="of data split and training (%(default)s)")
    compress.add_argument(
        "--save", type=path, required=True, metavar="FOLDER", help="new or empty folder, or one that this command wrote"
    )
    compress.set_defaults(run=_compress)


def _compress(chosen: argparse.Namespace, rest: list[str]) -> int:
    nothing_more(chosen, rest)
    refuse_other_files(chosen.save)
    plan = Plan.from_options(_as_run(chosen))
    cell = Cell(plan.tasks[0], chosen.method, _variant(chosen), chosen.seed)
    writable(chosen.save)
    bench = Workbench(plan)
    model = served(bench, cell)
    if isinstance(model, Skip):
        raise InputError(f"{chosen.method} does not apply: {model.reason}")
    task = bench.task(cell.task, cell.seed)
    scores = float_scores(task, predict(model, task.validation, task.data.pad_id))
    about = {
        "backbone": plan.backbone_name,
        "task": cell.task,
        "method": cell.method,
        "variant": cell.variant.name,
        "seed": cell.seed,
        "seq_len": plan.seq_len,
        "validation score (%)": round(scores["float"], 2),
        "data": task.data.source,
    }
    PrivateModel(model, about).save_pretrained(chosen.save)
    try:
        bench.backbone.tokenizer.save_pretrained(chosen.save)
    except Exception as error:  # the tokenizer's own library raises plain exceptions
        raise InputError(f"cannot write the tokenizer to {chosen.save} ({one_line(error, 200)})") from error
    print(
        f"{chosen.save}: {cell.name}, {scores['float']:.1f} % in floats on the validation split of {task.data.source}"
    )
    return 0


def _variant(chosen: argparse.Namespace) -> Variant:
    variants = {variant.name: variant for variant in METHODS[chosen.method].info.variants}
    return variants[pick("variant", next(iter(variants)) if chosen.variant is None else chosen.variant, variants)]


def _as_run(chosen: argparse.Namespace) -> argparse.Namespace:
    """Return the options of a run of this one cell, without parties."""
    own = {"tasks": chosen.task, "methods": chosen.method, "seeds": str(chosen.seed), "resume": True}
    shared = {name[2:].replace("-", "_"): getattr(chosen, name[2:].replace("-", "_")) for name in _OPTIONS}
    return defaults(**shared, **own, profile=chosen.profile, engine="lean", output=chosen.save)
