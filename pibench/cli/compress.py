"""``pibench compress``: make a model ready for private inference, and keep it."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from pibench.cli.run import nothing_more
from pibench.errors import InputError, pick
from pibench.measure.accuracy import float_scores
from pibench.measure.options import at_least
from pibench.measure.plan import PROFILES, Cell, Plan
from pibench.measure.workbench import Workbench, writable
from pibench.methods.contract import Skip, Variant
from pibench.methods.registry import METHODS
from pibench.model.pretrained import PrivateModel
from pibench.tasks.registry import TASKS
from pibench.training.finetune import predict


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    compress = commands.add_parser(
        "compress",
        help="tune a backbone on a task, compress it by a method, and save it",
        description="The folder loads with pibench.model.pretrained.PrivateModel.from_pretrained and, for its "
        "tokenizer, transformers' AutoTokenizer.from_pretrained.",
    )
    compress.add_argument("--backbone", default="minilm", help="hub id, folder, or minilm (%(default)s)")
    compress.add_argument("--task", default="sst2", help="GLUE task (%(default)s)")
    compress.add_argument("--method", default="ig3d", help="see pibench list (%(default)s)")
    compress.add_argument("--variant", help="the method's variant (default: its first)")
    compress.add_argument("--profile", default="full", help=f"{' or '.join(PROFILES)} (%(default)s)")
    compress.add_argument("--seed", type=at_least(0), default=0, help="of data split and training (%(default)s)")
    compress.add_argument("--seq-len", type=at_least(3), help="longest sequence in tokens (default: the profile's)")
    compress.add_argument("--glue-dir", type=Path, help="folder of GLUE parquet files (default: $PIBENCH_GLUE_DIR)")
    compress.add_argument("--data", default="auto", help="auto, folder, hub or sample (%(default)s)")
    compress.add_argument("--save", type=Path, required=True, metavar="FOLDER", help="where the model goes")
    compress.set_defaults(run=_compress)


def _compress(chosen: argparse.Namespace, rest: list[str]) -> int:
    nothing_more(chosen, rest)
    cell = Cell(TASKS[chosen.task].name, chosen.method, _variant(chosen), chosen.seed)
    bench = Workbench(_plan(chosen))
    writable(chosen.save)
    model = bench.compressed(cell)
    if isinstance(model, Skip):
        raise InputError(f"{chosen.method} does not apply: {model.reason}")
    task = bench.task(cell.task, cell.seed)
    scores = float_scores(task, predict(model, task.validation, task.data.pad_id))
    about = {
        "backbone": bench.plan.backbone_name,
        "task": cell.task,
        "method": cell.method,
        "variant": cell.variant.name,
        "seed": cell.seed,
        "seq_len": bench.plan.seq_len,
        "validation score (%)": round(scores["float"], 2),
        "data": task.data.source,
    }
    PrivateModel(model, about).save_pretrained(chosen.save)
    bench.backbone.tokenizer.save_pretrained(chosen.save)
    print(f"{chosen.save}: {cell.name}, {scores['float']:.1f} % in floats on {task.data.source}'s validation split")
    return 0


def _variant(chosen: argparse.Namespace) -> Variant:
    variants = {variant.name: variant for variant in METHODS[chosen.method].info.variants}
    return variants[pick("variant", chosen.variant or next(iter(variants)), variants)]


def _plan(chosen: argparse.Namespace) -> Plan:
    profile = PROFILES[pick("profile", chosen.profile, PROFILES)]
    return Plan(
        profile=profile,
        budget=replace(profile.budget, seed=chosen.seed),
        seq_len=chosen.seq_len or profile.seq_len,
        backbone=chosen.backbone,
        engine="crypten",
        mpc_examples=0,
        glue_dir=chosen.glue_dir,
        source=chosen.data,
        output=chosen.save,
        resume=True,
        port=None,
        deadline=0.0,
    )
