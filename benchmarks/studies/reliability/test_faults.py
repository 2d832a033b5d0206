"""What happens to a run when a party or the machine fails."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.studies.reliability.machine_faults import machine_faults
from benchmarks.studies.reliability.party_faults import PARTY_FAULTS
from pibench.measure.study import Log, Save
from pibench.testing.runs import summary, with_others


def test_faults(
    request: pytest.FixtureRequest,
    backbone: Path,
    fresh: Callable[[], Path],
    draw: random.Random,
    save: Save,
    log: Log,
) -> None:
    """The failed cell says why, the next one runs, and no process is left behind."""
    own, missing = machine_faults(fresh())
    for sentence in missing:
        log(sentence)
    rows = []
    for name, fault in (PARTY_FAULTS | own).items():
        if request.config.getoption("faults") in name:
            outcomes = [fault(fresh(), backbone, draw) for _ in range(request.config.getoption("times"))]
            rows.append(summary(name, outcomes))
            log(f"{name}: {rows[-1]['survived']} of {rows[-1]['times']}; {rows[-1]['saw']}")
    save("reliability_faults", with_others(rows, request.config.getoption("studies") / "study/reliability_faults.json"))
    assert all(row["survived"] == row["times"] for row in rows)
