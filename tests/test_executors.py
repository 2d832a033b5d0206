"""Jobs of a matrix, on every executor that one machine can be."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pibench.cli import executors, submit
from pibench.cli import main as command
from pibench.cli.executors import Dask, Executor, Job, Local, Slurm, stages
from pibench.errors import InputError
from pibench.results.records import read_all
from pibench.testing.models import save_checkpoint, tiny_bert


def test_the_seed_that_tunes_comes_first_and_the_clocks_last() -> None:
    planned = stages(["rte", "cola"], [0, 1], ["--profile", "full"])
    names = [[job.name for job in stage] for stage in planned]
    assert names == [
        ["rte-s0-trained", "cola-s0-trained"],
        ["rte-s1-trained", "cola-s1-trained"],
        ["rte-s0-timed", "rte-s1-timed", "cola-s0-timed", "cola-s1-timed"],
    ]
    (job, _), *_ = planned
    own = ["--resume", "--tasks", "rte", "--seeds", "0", "-k", "not latency", "--profile", "full"]
    assert job.command[-len(own) :] == own
    assert [len(stage) for stage in stages(["rte"], [3], [])] == [1, 1]
    assert [[job.seed for job in stage] for stage in stages(["rte"], [1, 2], [])] == [[1], [2], [1, 2]]


class Writes(Job):
    """A job that leaves a file, and ends with its seed as status."""

    @property
    def command(self) -> list[str]:
        program = f"import sys; open('{self.name}', 'w').close(); sys.exit({self.seed})"
        return [sys.executable, "-c", program]


def executor(name: str) -> Executor:
    if name == "slurm":
        pytest.importorskip("submitit")
        return Slurm(hours=0.1, cluster="local")
    if name == "dask":
        pytest.importorskip("distributed")
        return Dask()
    return Local()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", submit.EXECUTORS)
def test_every_job_runs_in_this_folder_and_its_status_comes_back(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    jobs = [Writes("rte", seed, seed == 2, ()) for seed in range(3)]
    with executor(name) as running:
        assert running.run(jobs) == [0, 1, 2]
        assert running.run(jobs[1:2]) == [1]  # a job of the same name is another run
    assert all((tmp_path / job.name).is_file() for job in jobs)


def test_slurm_gives_a_clock_a_node_for_itself_and_training_the_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cluster's commands are stand-ins; what they are told is what counts."""
    pytest.importorskip("submitit")
    for name in ("srun", "sbatch"):
        (tmp_path / name).write_text("#!/bin/sh\necho Submitted batch job 7\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.chdir(tmp_path)
    for alone, told in ((True, "--exclusive"), (False, "--gpus-per-node=2")):
        Slurm(hours=2, gpus=2).submit([Job("rte", 0, alone, ())])
        text = max(tmp_path.rglob("*.sh"), key=lambda path: path.stat().st_mtime_ns).read_text()
        assert told in text and "--time=120" in text and "--cpus-per-task=2" in text
        assert ("--exclusive" in text) == alone


def test_a_job_that_its_cluster_lost_has_a_status(capsys: pytest.CaptureFixture[str]) -> None:
    class Lost:
        def result(self) -> int:
            raise RuntimeError("node\nfailure")

    assert executors.exit_status(Lost()) == 1
    assert "a job was lost: RuntimeError: node failure" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tasks", "sst3"], "unknown task 'sst3'"),
        (["--seeds", "a"], "--seeds 'a' is not a whole number"),
        (["-k", "dense"], "does not take -k"),
        (["--methods", "denes"], "did you mean 'dense'?"),
        (["--no-such-option"], "unrecognized arguments: --no-such-option"),
        (["--executor", "slurm"], "no slurm cluster here"),
    ],
)
def test_bad_input_is_one_sentence(options: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    if "slurm" in options:
        pytest.importorskip("submitit")
    assert command.main(["submit", *options]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1


@pytest.mark.filterwarnings("ignore")
def test_dask_refuses_workers_that_share_a_machine() -> None:
    distributed = pytest.importorskip("distributed")
    for shape in ({"n_workers": 2, "threads_per_worker": 1}, {"n_workers": 1, "threads_per_worker": 2}):
        with (
            distributed.LocalCluster(**shape, dashboard_address=None) as cluster,
            pytest.raises(InputError, match="start one worker per machine"),
        ):
            Dask(cluster.scheduler_address)


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for package, make in (("submitit", Slurm), ("distributed", Dask)):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(InputError, match=r"pip install 'pibench\["):
            make()


@pytest.mark.mpc
def test_a_matrix_leaves_the_records_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    backbone = save_checkpoint(tiny_bert(), tmp_path / "backbone")
    monkeypatch.chdir(tmp_path)
    own = ["--data=sample", f"--backbone={backbone}", "--methods=dense/exact", "--output=out", "--mpc-examples=2"]
    assert command.main(["submit", "--tasks", "sst2", *own]) == 0
    said = capfd.readouterr().out
    assert "[1/2] sst2-s0-trained: finished" in said and "[2/2] sst2-s0-timed: finished" in said
    found = read_all(tmp_path / "out" / "records")
    assert {record["kind"] for record in found} == {"accuracy", "cost"}
    assert all(record["seconds"] for record in found if record["kind"] == "cost")
