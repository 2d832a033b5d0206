"""Where the jobs of a matrix run: here one after the other, on a SLURM cluster, or on Dask workers.

Each job is a separate ``pibench run --resume``, so records are the same wherever it runs. Jobs share trained models and
records through their working folder, which all machines must see. Dask rather than Ray, because it is a small
pure-Python package that connects workers however they were started: by ssh, Kubernetes or a queue.
"""

from __future__ import annotations

import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pibench.errors import InputError, one_line
from pibench.measure.stages import TUNED_SEED
from pibench.measure.workbench import THREADS_PER_PARTY
from pibench.results.cost import PARTIES
from pibench.tasks.registry import task_argument

PIBENCH = (sys.executable, "-m", "pibench")
"""How to start the command with this interpreter, wherever its script is."""
_LOGS = Path("runs/jobs")
_UNTIMED, _TIMED = "not latency", "latency"


@dataclass(frozen=True)
class Job:
    """One task and seed. A job with ``alone`` measures latency and needs a machine to itself; the others train."""

    task: str
    seed: int
    alone: bool
    options: tuple[str, ...]

    @property
    def name(self) -> str:
        """The job's readable name, such as ``rte-s0-timed``."""
        return f"{self.task}-s{self.seed}-{'timed' if self.alone else 'trained'}"

    @property
    def command(self) -> list[str]:
        """The command line that a machine runs."""
        task, cells = task_argument(self.task), _TIMED if self.alone else _UNTIMED
        own = ["--resume", "--tasks", task, "--seeds", str(self.seed), "-k", cells]
        return [*PIBENCH, "run", *own, *self.options]


def stages(tasks: Sequence[str], seeds: Sequence[int], options: Sequence[str]) -> list[list[Job]]:
    """Return the jobs of a matrix in stages: the first seed, which tunes; the other seeds; the latency measurements."""

    def jobs(chosen: Sequence[int], alone: bool) -> list[Job]:
        return [Job(task, seed, alone, tuple(options)) for task in tasks for seed in chosen]

    tuning = TUNED_SEED if TUNED_SEED in seeds else seeds[0]
    first, rest = [tuning], [seed for seed in seeds if seed != tuning]
    return [stage for stage in (jobs(first, False), jobs(rest, False), jobs(seeds, True)) if stage]


class Executor(ABC):
    """Runs jobs; their exit statuses are those of ``pibench run``."""

    @abstractmethod
    def run(self, jobs: Sequence[Job]) -> list[int]:
        """Run the jobs of a stage, and return their exit statuses in order."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        return None


class Local(Executor):
    """Runs the jobs one after the other on this machine."""

    def run(self, jobs: Sequence[Job]) -> list[int]:
        return [run_command(job.command) for job in jobs]


class Slurm(Executor):
    """Runs jobs on a SLURM cluster through submitit; each latency job has a node to itself.

    ``gpus`` is the number of GPUs of a training job, ``hours`` the time limit of a job. ``cluster`` is submitit's name
    for the cluster: ``local`` runs jobs as processes on this machine.

    An interrupt cancels the jobs.

    Raises:
        InputError: submitit is missing, or there is no such cluster here.
    """

    def __init__(self, hours: float = 24.0, gpus: int = 0, cluster: str = "slurm") -> None:
        try:
            import submitit
        except ModuleNotFoundError as error:
            raise InputError("SLURM needs submitit: run `pip install 'pibench[slurm]'`") from error
        try:
            self._executor = submitit.AutoExecutor(folder=_LOGS, cluster=cluster)
        except RuntimeError as error:
            raise InputError(
                f"no {cluster} cluster here ({error}): run on its login node, or choose another"
            ) from error
        self._minutes, self._gpus = int(60 * hours), gpus

    def run(self, jobs: Sequence[Job]) -> list[int]:
        submitted = self.submit(jobs)
        try:
            return [exit_status(one) for one in submitted]
        except KeyboardInterrupt:
            for one in submitted:
                one.cancel()
            raise

    def submit(self, jobs: Sequence[Job]) -> list[Any]:
        """Submit the jobs to the cluster, and return submitit's jobs."""
        submitted = []
        for job in jobs:
            gpus = 0 if job.alone else self._gpus
            self._executor.update_parameters(
                name=job.name,
                timeout_min=self._minutes,
                cpus_per_task=PARTIES * THREADS_PER_PARTY,
                gpus_per_node=gpus,
                slurm_exclusive=job.alone or None,
            )
            submitted.append(self._executor.submit(run_command, job.command))
        return submitted


class Dask(Executor):
    """Runs jobs on Dask workers, one per machine with one thread each; without a scheduler's address, on one worker
    here.

    An interrupt cancels jobs that have not begun.

    Raises:
        InputError: Dask is missing, the scheduler does not answer, or workers share a machine.
    """

    def __init__(self, scheduler: str | None = None) -> None:
        try:
            from distributed import Client, LocalCluster
        except ModuleNotFoundError as error:
            raise InputError("Dask's workers need distributed: run `pip install 'pibench[dask]'`") from error
        try:
            self._cluster = (
                None if scheduler else LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None)
            )
            self._client = Client(scheduler or self._cluster, timeout="20s")
        except (OSError, ValueError) as error:
            raise InputError(
                f"no Dask scheduler answers at {scheduler} ({error}): start it, or leave the address out"
            ) from error
        self._refuse_shared_machines()

    def _refuse_shared_machines(self) -> None:
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        if len({worker["host"] for worker in workers}) < len(workers) or any(one["nthreads"] > 1 for one in workers):
            self.__exit__()
            raise InputError(
                "Dask's workers would time two runs on one machine at once: start one worker per machine, with "
                "--nworkers 1 --nthreads 1"
            )

    def run(self, jobs: Sequence[Job]) -> list[int]:
        submitted = [self._client.submit(run_command, job.command, pure=False) for job in jobs]
        try:
            return [exit_status(one) for one in submitted]
        except KeyboardInterrupt:
            self._client.cancel(submitted)
            raise

    def __exit__(self, *raised: object) -> None:
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


def run_command(command: Sequence[str]) -> int:
    """Run a command on the calling machine, and return its exit status."""
    return subprocess.run(command, check=False).returncode


def exit_status(job: Any) -> int:
    """Return a job's exit status, or 1 if the cluster lost the job."""
    try:
        return int(job.result())
    except Exception as error:
        print(f"a job was lost: {one_line(error, 200)}", file=sys.stderr)
        return 1
