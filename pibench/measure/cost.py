"""One cost cell: what an architecture sends and how long it takes between two real parties."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

import pibench
from pibench.contract import Lowering
from pibench.interpreters.crypten.party import SERVER, Inference
from pibench.interpreters.ledger import Cost, Ledger, predict
from pibench.interpreters.stock_ledger import StockLedger
from pibench.measure.accuracy import embed
from pibench.measure.plan import Cell
from pibench.measure.security import OFFLINE, SCOPE, SECURITY
from pibench.measure.workbench import Workbench
from pibench.model import Model
from pibench.records import SCHEMA_VERSION, Record

LEDGERS: dict[Lowering, type[Ledger]] = {"fair": Ledger, "stock": StockLedger}
BATCH = 1


def predicted(model: Model, lowering: Lowering, seq_len: int) -> dict[str, Cost]:
    """Return the ledger's cost of one inference, by operator."""
    return predict(model.architecture, BATCH, seq_len, LEDGERS[lowering]()).costs


class LedgerMismatch(Exception):
    """What CrypTen sent is not what the ledger predicts."""


def _compare(measured: dict[str, Cost], ledger: dict[str, Cost]) -> None:
    for name in sorted(measured.keys() | ledger.keys()):
        sent, expected = measured.get(name, Cost()), ledger.get(name, Cost())
        if (sent.bytes, sent.rounds) != (expected.bytes, expected.rounds):
            raise LedgerMismatch(
                f"{name} sent {sent.bytes} bytes in {sent.rounds} rounds where the ledger predicts "
                f"{expected.bytes} in {expected.rounds}"
            )


@dataclass
class Runner:
    """Times one model between the parties on the first validation example, padded to the sequence length."""

    bench: Workbench
    cell: Cell
    model: Model
    lowering: Lowering
    runs: list[Inference] = field(default_factory=list)

    def __post_init__(self) -> None:
        task = self.bench.task(self.cell.task, self.cell.seed)
        self.ledger = predicted(self.model, self.lowering, self.bench.plan.seq_len)
        self._name = f"{self.model.fingerprint()}-{self.lowering}"
        self._input = embed(self.model, task.validation, np.arange(BATCH), task.data.pad_id, self.bench.plan.seq_len)

    def run(self) -> Inference:
        """Run one inference; the times are those of the slower and of the busier party.

        Raises:
            LedgerMismatch: a party counted other bytes or rounds than the ledger predicts.
        """
        self.bench.parties.load(self._name, self.model, self.lowering)
        both = self.bench.parties.infer(self._name, *self._input)
        for view in both:
            _compare(view.costs, self.ledger)
        return replace(
            both[SERVER],
            seconds=max(view.seconds for view in both),
            compute_seconds=max(view.compute_seconds for view in both),
        )

    def timed(self) -> float:
        """Run one inference, keep it, and return its seconds."""
        self.runs.append(self.run())
        return self.runs[-1].seconds


def blank_cost(bench: Workbench, model: Model, lowering: Lowering) -> Record:
    """Return the record of a cost about which nothing is known yet; its status is ``failed``."""
    engine = bench.plan.engine
    return {
        "schema_version": SCHEMA_VERSION,
        "suite_version": pibench.__version__,
        "kind": "cost",
        "architecture": model.architecture.key,
        "architecture_spec": model.architecture.spec(),
        "engine": engine,
        "lowering": lowering,
        "security": SECURITY[engine],
        "seq_len": bench.plan.seq_len,
        "batch": BATCH,
        "status": "failed",
        "error": None,
        "bytes_total": None,
        "bytes_sent": None,
        "rounds": None,
        "multiplications": None,
        "operators": None,
        "seconds": None,
        "compute_seconds": None,
        "baseline": None,
        "offline": OFFLINE[engine],
        "scope": SCOPE,
        "environment": bench.environment,
        "started_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds_total": 0.0,
    }


def communication(inference: Inference, ledger: dict[str, Cost]) -> dict[str, Any]:
    """Return the measured bytes and rounds of a record, multiplications from the ledger."""
    total = sum(inference.costs.values(), Cost())
    client_only = inference.costs["input"].bytes
    server = (total.bytes - client_only) // 2
    return {
        "status": "ok",
        "bytes_total": total.bytes,
        "bytes_sent": [server, total.bytes - server],
        "rounds": total.rounds,
        "multiplications": sum(cost.multiplications for cost in ledger.values()),
        "operators": [
            {
                "name": name,
                "calls": 1,
                "bytes": cost.bytes,
                "rounds": cost.rounds,
                "multiplications": ledger[name].multiplications,
            }
            for name, cost in inference.costs.items()
        ],
        "seconds": [],
        "compute_seconds": [],
    }


def latency(own: Runner, baseline: Runner) -> dict[str, Any]:
    """Return the interleaved times of a record."""
    dense = sum(baseline.runs[0].costs.values(), Cost())
    return {
        "seconds": [run.seconds for run in own.runs],
        "compute_seconds": [run.compute_seconds for run in own.runs],
        "baseline": {
            "architecture": baseline.model.architecture.key,
            "lowering": baseline.lowering,
            "seconds": [run.seconds for run in baseline.runs],
            "compute_seconds": [run.compute_seconds for run in baseline.runs],
            "bytes_total": dense.bytes,
            "rounds": dense.rounds,
        },
    }
