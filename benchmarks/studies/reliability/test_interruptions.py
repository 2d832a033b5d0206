"""A run is killed, interrupted, or run twice at once: no finished cell is lost, and resuming does the rest."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pibench.measure.study import Log, Save
from pibench.testing.runs import TRACEBACK, Outcome, bench, found, lost, measured, summary, with_others

Cells = dict[str, dict[str, Any]]
Fresh = Callable[[], Path]


def test_interruptions(
    request: pytest.FixtureRequest, backbone: Path, fresh: Fresh, draw: random.Random, save: Save,
    log: Log,
) -> None:  # fmt: skip
    """Kill with SIGKILL, and press Ctrl-C, at moments spread over a run; run twice at once."""
    kills, times = request.config.getoption("kills"), request.config.getoption("times")
    folder = fresh()
    start = time.monotonic()
    assert bench(folder, backbone).end() == 0
    whole, goal = time.monotonic() - start, measured(folder)
    tries: dict[str, Callable[[], list[Outcome]]] = {
        "run killed (SIGKILL)": lambda: _stopped(kills, signal.SIGKILL, whole, goal, backbone, fresh, draw),
        "Ctrl-C": lambda: _stopped(kills // 5, signal.SIGINT, whole, goal, backbone, fresh, draw),
        "two runs at once in one folder": lambda: [_two_at_once(goal, backbone, fresh()) for _ in range(times)],
    }
    rows = []
    for fault, attempt in tries.items():
        if request.config.getoption("faults") in fault:
            rows.append(summary(fault, attempt()))
            log(f"{rows[-1]}")
    earlier = request.config.getoption("studies") / "study/reliability_interruptions.json"
    save("reliability_interruptions", with_others(rows, earlier))
    assert all(row["survived"] == row["times"] for row in rows)


def _stopped(
    times: int, number: signal.Signals, whole: float, goal: Cells, backbone: Path, fresh: Fresh, draw: random.Random
) -> list[Outcome]:
    """Stop a run at random moments and resume it until it is done; start new runs until there were enough stops."""
    outcomes: list[Outcome] = []
    folder = fresh()
    while len(outcomes) < times:
        before = found(folder)
        run = bench(folder, backbone, "--resume")
        run.until(lambda: False, draw.uniform(0.1, whole))
        if run.process.poll() is None:
            (os.kill if number == signal.SIGKILL else os.killpg)(run.process.pid, number)  # as Ctrl-C does
            run.end(30)
            after, orphans = found(folder), run.orphans()
            outcomes.append(_judged(number, run.said, orphans, lost(before, after)))
        if outcomes and (len(found(folder)) == len(goal) or len(outcomes) == times):
            outcomes.append(_resumed(goal, backbone, folder, outcomes.pop()))
            folder = fresh()
    return outcomes


def _judged(number: signal.Signals, said: str, orphans: int, gone: int) -> Outcome:
    tracebacks = said.count(TRACEBACK)
    if number == signal.SIGKILL:
        return Outcome(True, "the shell's word: Killed", orphans, tracebacks, gone)
    hints = [line for line in said.splitlines() if "--resume" in line]
    started, ended = "data: " in said, "tables: " in said  # in between, there is something to resume
    survived = bool(hints) or not started or ended
    return Outcome(survived, hints[-1] if hints else "nothing", orphans, tracebacks, gone)


def _resumed(goal: Cells, backbone: Path, folder: Path, last: Outcome) -> Outcome:
    """Return the last outcome, with the cells that the resumed run lost or measured differently."""
    before = found(folder)
    run = bench(folder, backbone, "--resume")
    status = run.end()
    gone, orphans = lost(before, found(folder)), run.orphans()
    survived = last.survived and status == 0 and measured(folder) == goal
    return Outcome(survived, last.saw, last.orphans + orphans, last.tracebacks + run.said.count(TRACEBACK), gone)


def _two_at_once(goal: Cells, backbone: Path, folder: Path) -> Outcome:
    runs = [bench(folder, backbone) for _ in range(2)]
    statuses = [run.end() for run in runs]
    survived = statuses == [0, 0] and measured(folder) == goal
    tracebacks = sum(run.said.count(TRACEBACK) for run in runs)
    saw = "nothing: both finished" if survived else f"statuses {statuses}"
    return Outcome(survived, saw, sum(run.orphans() for run in runs), tracebacks)
