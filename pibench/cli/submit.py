"""``pibench submit``: run a matrix of tasks and seeds as jobs, here or on several machines."""

from __future__ import annotations

import argparse
from typing import Any

from pibench.arguments import at_least
from pibench.cli.executors import Dask, Executor, Local, Slurm, stages
from pibench.errors import InputError
from pibench.measure.options import read
from pibench.measure.plan import Plan

EXECUTORS = ("local", "slurm", "dask")


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    submit = commands.add_parser(
        "submit",
        help="run a matrix as jobs: here, on SLURM, or on Dask's workers",
        description="One job trains each task and seed; then another measures latency, with a machine to itself. All "
        "machines must see the working folder. Other options are those of pibench run.",
        allow_abbrev=False,
    )
    submit.add_argument("--executor", choices=EXECUTORS, default="local", help="(default: %(default)s)")
    submit.add_argument("--tasks", default="sst2", help="GLUE tasks, comma-separated (%(default)s)")
    submit.add_argument("--seeds", default="0", help="seeds, comma-separated (%(default)s)")
    submit.add_argument("--scheduler", metavar="ADDRESS", help="Dask's scheduler (default: a worker here)")
    submit.add_argument(
        "--hours", type=at_least(0.1), default=24.0, help="time limit of a SLURM job, in hours (%(default)s)"
    )
    submit.add_argument("--gpus", type=at_least(0), default=0, help="GPUs of a SLURM training job (%(default)s)")
    submit.set_defaults(run=_submit)


def _submit(chosen: argparse.Namespace, rest: list[str]) -> int:
    if any(option.startswith("-k") for option in rest):
        raise InputError("pibench submit does not take -k: it decides itself what is timed and what is trained")
    plan = Plan.from_options(read(["--tasks", chosen.tasks, "--seeds", chosen.seeds, *rest]))
    planned = stages(plan.tasks, plan.seeds, rest)
    total, done, worst = sum(map(len, planned)), 0, 0
    with _executor(chosen) as executor:
        for stage in planned:
            print(f"{len(stage)} jobs: {', '.join(job.name for job in stage)}", flush=True)
            for job, status in zip(stage, executor.run(stage), strict=True):
                done, worst = done + 1, max(worst, abs(status))
                print(f"[{done}/{total}] {job.name}: {'finished' if status == 0 else f'status {status}'}", flush=True)
    return min(worst, 1)


def _executor(chosen: argparse.Namespace) -> Executor:
    if chosen.executor == "slurm":
        return Slurm(chosen.hours, chosen.gpus)
    return Dask(chosen.scheduler) if chosen.executor == "dask" else Local()
