"""Bytes and rounds of every architecture, measured between two real parties and predicted by the ledger."""

from __future__ import annotations

from typing import Any

from benchmarks.outcome import finish, model_of
from pibench.interpreters.ledger import Cost
from pibench.measure.cost import Runner, blank_cost, communication, predicted
from pibench.measure.plan import Cell
from pibench.measure.run import run_cell
from pibench.measure.workbench import Workbench


def test_communication(bench: Workbench, cell: Cell) -> None:
    model, lowering = model_of(bench, cell), cell.variant.lowering
    ledger = predicted(model, lowering, bench.plan.seq_len)

    def measure() -> dict[str, Any]:
        return communication(Runner(bench, cell, model, lowering).run(), ledger)

    record = finish(lambda: run_cell(bench, blank_cost(bench, model, lowering), measure))
    measured = {
        operator["name"]: Cost(operator["bytes"], operator["rounds"], operator["multiplications"])
        for operator in record["operators"]
    }
    assert measured == ledger, "the ledger must equal what CrypTen sent, operator by operator"
