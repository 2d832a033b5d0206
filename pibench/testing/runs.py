"""Real runs of the suite in separate processes, for fault injection; only on Linux."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pibench import CHECKOUT
from pibench.cli.executors import PIBENCH
from pibench.measure.provenance import environment
from pibench.results import records
from pibench.results.records import Record

TRACEBACK = "Traceback (most recent call last)"
MEASURED = ("status", "float", "fixed", "weights_hash", "architecture", "bytes_total", "rounds", "operators")
"""The fields of a cell that are the same in every run."""


class Run:
    """One command, which runs in its own session with all processes that it starts; its output goes to a file."""

    def __init__(self, command: Sequence[str], folder: Path, environment: dict[str, str] | None = None) -> None:
        self._output = folder / f"said-{time.monotonic_ns()}.txt"
        own = {"OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"} | (environment or {})
        with self._output.open("wb") as out:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=os.environ | own,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 (no other thread)
            )

    @property
    def said(self) -> str:
        """All output so far."""
        return self._output.read_text("utf-8", errors="replace")

    def members(self) -> dict[int, str]:
        """Return the command lines of the session's live processes, by process id."""
        listed = subprocess.run(
            ["ps", "ww", "-o", "pid=,stat=,args=", "-s", str(self.process.pid)],
            capture_output=True,
            text=True,
            check=False,
        )
        rows = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
        return {int(pid): arguments for pid, state, arguments in rows if not state.startswith("Z")}

    def parties(self) -> list[int]:
        """Return the parties' processes by rank, then the dealer's, if it has one."""
        return sorted(pid for pid, arguments in self.members().items() if "spawn_main" in arguments)

    def until(self, ready: Callable[[], bool], seconds: float = 120.0) -> bool:
        """Wait until ``ready``; False if the run, or the time, ends before."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            if ready():
                return True
            time.sleep(0.02)
        return False

    def end(self, seconds: float = 240.0) -> int | None:
        """Wait for the command's end and return its status; None, and it is killed, if it takes longer."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None

    def orphans(self, grace: float = 10.0) -> int:
        """Return how many processes outlive the command by ``grace`` seconds; they are killed."""
        end = time.monotonic() + grace
        while (left := self.members()) and time.monotonic() < end:
            time.sleep(0.05)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        while self.members():
            time.sleep(0.01)
        return len(left)


def bench(folder: Path, backbone: Path, *options: str, environment: dict[str, str] | None = None) -> Run:
    """Start two methods' cells in ``folder``, with its records under ``out`` unless an option says otherwise."""
    fixed = [f"--backbone={backbone}", "--data=sample", "--methods=dense,puma", "--output=out", "--deadline=20"]
    cells = ["-k", "accuracy or communication"]
    return Run([*PIBENCH, "run", "-c", str(CHECKOUT / "pyproject.toml"), *cells, *fixed, *options], folder, environment)


def party(folder: Path, *options: str) -> Run:
    """Start ``pibench party`` in ``folder``."""
    return Run([*PIBENCH, "party", *options], folder)


def found(folder: Path) -> dict[str, Record]:
    """Return the records of a run by file name."""
    root = folder / "out" / "records"
    return {str(path.relative_to(root)): records.read(path) for path in sorted(root.rglob("*.json"))}


def measured(folder: Path) -> dict[str, dict[str, object]]:
    """Return what is the same in every run of the cells in ``folder``."""
    return {name: {key: record.get(key) for key in MEASURED} for name, record in found(folder).items()}


def lost(before: dict[str, Record], after: dict[str, Record]) -> int:
    """Return how many finished cells are gone, or measured again."""
    return sum(after.get(name) != record for name, record in before.items() if record["status"] == "ok")


@dataclass(frozen=True)
class Outcome:
    """The outcome of one try: whether it went as it should, what the user saw, and what was left behind."""

    survived: bool
    saw: str
    orphans: int = 0
    tracebacks: int = 0
    lost: int = 0

    @property
    def clean(self) -> bool:
        """Whether it survived with nothing left behind."""
        return self.survived and not (self.orphans or self.tracebacks or self.lost)


def with_others(rows: list[dict[str, object]], record: Path) -> list[dict[str, object]]:
    """Return ``rows``, in front of those of other faults that an earlier run of the study left in ``record``."""
    names = {row["fault"] for row in rows}
    earlier = records.read(record)["rows"] if record.exists() else []
    return [*rows, *(row for row in earlier if row["fault"] not in names)]


def summary(fault: str, outcomes: Sequence[Outcome]) -> dict[str, object]:
    """Return the row of a fault: how often it was tried and survived, totals, and what the user saw most."""
    return {
        "commit": environment(threads=1)["commit"],
        "fault": fault,
        "times": len(outcomes),
        "survived": sum(outcome.clean for outcome in outcomes),
        "orphans": sum(outcome.orphans for outcome in outcomes),
        "tracebacks": sum(outcome.tracebacks for outcome in outcomes),
        "lost": sum(outcome.lost for outcome in outcomes),
        "saw": Counter(outcome.saw for outcome in outcomes).most_common(1)[0][0],
    }
