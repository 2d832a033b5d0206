"""Accuracy of every method on every task: float on the validation split, MPC on a part of it."""

from __future__ import annotations

import pytest

from benchmarks.outcome import finish
from pibench.measure.accuracy import blank_accuracy, measure_accuracy
from pibench.measure.plan import Cell
from pibench.measure.run import run_cell
from pibench.measure.workbench import Workbench
from pibench.results.records import Record


def test_accuracy(bench: Workbench, cell: Cell, pytestconfig: pytest.Config) -> None:
    def complete(record: Record) -> bool:
        return record["status"] == "skipped" or record["n_mpc"] >= min(bench.plan.mpc_examples, record["n"])

    blank = blank_accuracy(bench, cell)
    finish(lambda: run_cell(bench, blank, lambda: measure_accuracy(bench, cell), complete), pytestconfig)
