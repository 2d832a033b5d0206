"""One cost cell: what an architecture sends and how long it takes between two real parties."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

import pibench
from pibench.engines.crypten.ledger import StockLedger
from pibench.engines.lean.ledger import Cost, Ledger, predict
from pibench.engines.lean.party import SWITCHES, Inference, Lowering
from pibench.engines.lean.protocol import SERVER
from pibench.engines.lean.switches import CRYPTEN_STEPS, Switches
from pibench.engines.security import DEALER, SCOPE
from pibench.measure.accuracy import embed
from pibench.measure.plan import Cell
from pibench.measure.workbench import Workbench
from pibench.model.architecture import Architecture
from pibench.model.module import Model
from pibench.results.records import SCHEMA_VERSION, Record

BATCH = 1


def predicted(architecture: Architecture, lowering: Lowering, switches: Switches, batch: int, seq_len: int) -> Ledger:
    """Return the ledger of one inference."""
    steps = switches if switches.direct_shares else CRYPTEN_STEPS
    return predict(architecture, batch, seq_len, StockLedger() if lowering == "stock" else Ledger(steps))


class LedgerMismatch(Exception):
    """What CrypTen sent is not what the ledger predicts."""


def _compare(measured: dict[str, Cost], ledger: dict[str, Cost]) -> None:
    for name in sorted(measured.keys() | ledger.keys()):
        sent, expected = measured.get(name, Cost()), ledger.get(name, Cost())
        if replace(sent, multiplications=0) != replace(expected, multiplications=0):
            raise LedgerMismatch(
                f"{name} sent {sent.bytes} bytes in {sent.rounds} rounds where the ledger predicts "
                f"{expected.bytes} in {expected.rounds}"
            )


def checked(both: list[Inference], ledger: Ledger) -> Inference:
    """Return the inference of both parties' views; the times are those of the slower and of the busier party.

    Raises:
        LedgerMismatch: a party counted other bytes or rounds than the ledger predicts.
    """
    for view in both:
        _compare(view.costs, ledger.costs)
    offline = [view.offline_seconds for view in both if view.offline_seconds is not None]
    return replace(
        both[SERVER],
        seconds=max(view.seconds for view in both),
        compute_seconds=max(view.compute_seconds for view in both),
        peak_memory=max(view.peak_memory for view in both),
        offline_seconds=max(offline, default=None),
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
        self.switches = SWITCHES[self.lowering]
        seq_len = self.bench.plan.seq_len
        self.ledger = predicted(self.model.architecture, self.lowering, self.switches, BATCH, seq_len)
        self._name = f"{self.model.fingerprint()}-{self.lowering}"
        self._input = embed(self.model, task.validation, np.arange(BATCH), task.data.pad_id, seq_len)

    def run(self) -> Inference:
        """Run one inference; raises :class:`LedgerMismatch` like :func:`checked`."""
        self.bench.parties.load(self._name, self.model, self.lowering)
        both = self.bench.parties.infer(self._name, *self._input)
        return checked(both, self.ledger)

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
        "security": bench.plan.security,
        "switches": asdict(SWITCHES[lowering]),
        "round_trips": SWITCHES[lowering].round_trips,
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
        "offline": None,
        "scope": SCOPE,
        "environment": bench.environment,
        "started_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds_total": 0.0,
    }


def communication(inference: Inference, ledger: Ledger) -> dict[str, Any]:
    """Return the measured bytes and rounds of a record, multiplications from the ledger."""
    total = sum(inference.costs.values(), Cost())
    server = (total.bytes - total.client_only) // 2
    return {
        "status": "ok",
        "bytes_total": total.bytes,
        "bytes_sent": [server, total.bytes - server],
        "rounds": total.rounds,
        "multiplications": ledger.total().multiplications,
        "operators": [{"name": name, "calls": 1} | asdict(cost) for name, cost in ledger.costs.items()],
        "offline": offline([inference], ledger),
        "seconds": [],
        "compute_seconds": [],
    }


def offline(runs: list[Inference], ledger: Ledger) -> dict[str, Any]:
    """Return what the dealer brings for one inference, and how long that took here."""
    return {
        "source": DEALER,
        "elements": ledger.offline.elements,
        "bytes_if_sent": ledger.offline.bytes,
        "seconds": [run.offline_seconds for run in runs if run.offline_seconds is not None],
    }


def latency(own: Runner, baseline: Runner) -> dict[str, Any]:
    """Return the interleaved times of a record."""
    dense = sum(baseline.runs[0].costs.values(), Cost())
    return {
        "offline": offline(own.runs, own.ledger),
        "seconds": [run.seconds for run in own.runs],
        "compute_seconds": [run.compute_seconds for run in own.runs],
        "baseline": {
            "architecture": baseline.model.architecture.key,
            "lowering": baseline.lowering,
            "seconds": [run.seconds for run in baseline.runs],
            "compute_seconds": [run.compute_seconds for run in baseline.runs],
            "bytes_total": dense.bytes,
            "rounds": dense.rounds,
            "round_trips": baseline.switches.round_trips,
        },
    }
