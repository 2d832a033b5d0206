"""``pibench submit``: a matrix of tasks and seeds as jobs, here or on more machines than one."""

from __future__ import annotations

import argparse
import re
import subprocess
from typing import Any

from pibench.cli.executors import PIBENCH, Dask, Executor, Local, Slurm, stages
from pibench.errors import InputError, pick
from pibench.measure.options import at_least, listed, seeds
from pibench.tasks.registry import TASKS

EXECUTORS = ("local", "slurm", "dask")


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    submit = commands.add_parser(
        "submit",
        help="run a matrix as jobs: here, on SLURM, or on Dask's workers",
        description="A job for each task and seed, then one for each clock, which has a machine for itself. All "
        "machines must see the folder that this runs in. Other options are those of pibench run.",
        allow_abbrev=False,
    )
    submit.add_argument("--executor", choices=EXECUTORS, default="local", help="(default: %(default)s)")
    submit.add_argument("--tasks", default="sst2", help="GLUE tasks, comma-separated (%(default)s)")
    submit.add_argument("--seeds", default="0", help="seeds, comma-separated (%(default)s)")
    submit.add_argument("--scheduler", metavar="ADDRESS", help="Dask's scheduler (default: a worker here)")
    submit.add_argument("--hours", type=at_least(0.1), default=24.0, help="longest a SLURM job may take (%(default)s)")
    submit.add_argument("--gpus", type=at_least(0), default=0, help="GPUs of a SLURM job that trains (%(default)s)")
    submit.set_defaults(run=_submit)


def _submit(chosen: argparse.Namespace, rest: list[str]) -> int:
    tasks = [pick("task", name, TASKS) for name in listed("tasks", chosen.tasks)]
    planned = stages(tasks, seeds(chosen.seeds), rest)
    _refuse_bad_options(chosen, rest)
    total, done, worst = sum(map(len, planned)), 0, 0
    with _executor(chosen) as executor:
        for stage in planned:
            print(f"{len(stage)} jobs: {', '.join(job.name for job in stage)}", flush=True)
            for job, status in zip(stage, executor.run(stage), strict=True):
                done, worst = done + 1, max(worst, abs(status))
                print(f"[{done}/{total}] {job.name}: {'finished' if status == 0 else f'status {status}'}", flush=True)
    return min(worst, 1)


def _refuse_bad_options(chosen: argparse.Namespace, rest: list[str]) -> None:
    """Let ``pibench run`` read its options before anything waits in a queue for a refusal."""
    if any(option.startswith("-k") for option in rest):
        raise InputError("pibench submit takes no -k: it chooses itself what is timed and what is trained")
    own = ["--collect-only", "--tasks", chosen.tasks, "--seeds", chosen.seeds, *rest]
    tried = subprocess.run([*PIBENCH, "run", *own], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        said = re.findall("(?i)error: (.*)", tried.stdout + tried.stderr) or [" ".join(own)]
        raise InputError(f"pibench run refuses these options: {said[-1]}")


def _executor(chosen: argparse.Namespace) -> Executor:
    if chosen.executor == "slurm":
        return Slurm(chosen.hours, chosen.gpus)
    return Dask(chosen.scheduler) if chosen.executor == "dask" else Local()
