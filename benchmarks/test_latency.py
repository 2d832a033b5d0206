"""Latency of every architecture against the dense model, interleaved between two real parties."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.outcome import finish, model_of
from pibench.measure.cost import Runner, blank_cost, communication, latency
from pibench.measure.plan import Cell
from pibench.measure.run import run_cell
from pibench.measure.workbench import Workbench
from pibench.results.records import Record


def is_timed(record: Record) -> bool:
    return bool(record["seconds"])


def test_latency(bench: Workbench, cell: Cell, request: pytest.FixtureRequest) -> None:
    model, lowering = model_of(bench, cell), cell.variant.lowering
    own = Runner(bench, cell, model, lowering)
    dense = Runner(bench, cell, bench.dense(cell), "fair")

    def pair() -> None:
        """Run both, taking turns at who goes first, so that drift divides out."""
        first, second = (own, dense) if len(own.runs) % 2 else (dense, own)
        first.timed()
        second.timed()

    def measure() -> dict[str, Any]:
        benchmark = request.getfixturevalue("benchmark")  # an architecture is timed once, for all its cells
        own.run()
        dense.run()
        benchmark.pedantic(pair, rounds=bench.plan.profile.pairs, iterations=1)
        return communication(own.runs[0], own.ledger) | latency(own, dense)

    finish(lambda: run_cell(bench, blank_cost(bench, model, lowering), measure, is_timed))
