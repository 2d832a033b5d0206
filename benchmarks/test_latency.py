"""Latency of every architecture against the dense model on the lean engine, interleaved between real parties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.outcome import finish, model_of
from pibench.measure.cost import blank_cost, measure_cost, of_text, runner_of
from pibench.measure.plan import HEADLINE, Cell
from pibench.measure.run import run_cell
from pibench.measure.stages import dense
from pibench.measure.workbench import Workbench
from pibench.results.records import Record


def is_timed(record: Record) -> bool:
    return bool(record["seconds"])


def test_latency(bench: Workbench, cell: Cell, request: pytest.FixtureRequest) -> None:
    task, seq_len = bench.task(cell.task, cell.seed), bench.plan.seq_len
    sample = of_text(model_of(bench, cell, request.config), task, seq_len)
    own = runner_of(bench, cell.engine, sample)
    baseline = runner_of(bench, HEADLINE, of_text(dense(bench, cell).model, task, seq_len))

    def measure() -> dict[str, Any]:
        benchmark = request.getfixturevalue("benchmark")  # an architecture is timed only once, for all its cells

        def repeat(pair: Callable[[], object], times: int) -> None:
            benchmark.pedantic(pair, rounds=times, iterations=1)

        return measure_cost(own, baseline, bench.plan.profile.pairs, repeat)

    finish(lambda: run_cell(bench, blank_cost(bench, cell.engine, sample), measure, is_timed), request.config)
