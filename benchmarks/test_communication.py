"""Bytes and rounds of every architecture between two real parties; a cell fails where the ledger disagrees."""

from __future__ import annotations

from typing import Any

from benchmarks.outcome import finish, model_of
from pibench.measure.cost import Runner, blank_cost, communication
from pibench.measure.plan import Cell
from pibench.measure.run import run_cell
from pibench.measure.workbench import Workbench


def test_communication(bench: Workbench, cell: Cell) -> None:
    model, lowering = model_of(bench, cell), cell.variant.lowering

    def measure() -> dict[str, Any]:
        runner = Runner(bench, cell, model, lowering)
        return communication(runner.run(), runner.ledger)

    finish(lambda: run_cell(bench, blank_cost(bench, model, lowering), measure))
