"""Bytes and rounds of every architecture between real parties; a cell fails if they differ from the prediction."""

from __future__ import annotations

import pytest

from benchmarks.outcome import finish, model_of
from pibench.measure.cost import blank_cost, measure_cost, of_text, runner_of
from pibench.measure.plan import Cell
from pibench.measure.run import run_cell
from pibench.measure.workbench import Workbench


def test_communication(bench: Workbench, cell: Cell, pytestconfig: pytest.Config) -> None:
    sample = of_text(model_of(bench, cell, pytestconfig), bench.task(cell.task, cell.seed), bench.plan.seq_len)
    own = runner_of(bench, cell.engine, sample)
    blank = blank_cost(bench, cell.engine, sample)
    finish(lambda: run_cell(bench, blank, lambda: measure_cost(own)), pytestconfig)
