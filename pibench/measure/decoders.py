"""What a decoder costs: one layer of each kind timed, the whole decoder predicted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pibench.engines.engine import Cost
from pibench.engines.lean.ledger import predict
from pibench.measure.setups import Setup
from pibench.methods.studies import ReportedDecoder
from pibench.results.cost import group_megabytes


def one_layer_each(reported: Sequence[ReportedDecoder]) -> list[Setup]:
    """Return a setup of a single layer for each distinct layer in the rows."""
    found: dict[str, Setup] = {}
    for row in reported:
        for one in row.architecture(row.layers).single_layers():
            found.setdefault(one.key, Setup(one.key, one, seq_len=row.seq_len))
    return list(found.values())


def whole(row: ReportedDecoder, method: str) -> dict[str, Any]:
    """Return a reported row together with the ledger's prediction for the whole decoder and the keys of its layers."""
    architecture = row.architecture(row.layers)
    ledger = predict(architecture, 1, row.seq_len)
    total = ledger.total()
    vocabulary = ledger.costs.get("vocabulary", Cost())
    operators = [{"name": name, "bytes": cost.bytes} for name, cost in ledger.costs.items()]
    layers = [layer.key for layer in architecture.single_layers()]
    return {
        "method": method,
        "whole": True,
        "reported": row.report(),
        "bytes_total": total.bytes,
        "rounds": total.rounds,
        "vocabulary_bytes": vocabulary.bytes,
        "megabytes_by_group": group_megabytes({"bytes_total": total.bytes, "operators": operators}),
        "layers": layers,
    }
