"""How many fractional bits does accuracy need? Chosen on the selection split, which no table reports."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.conftest import PLAN
from pibench.engines.lean.fixed_point import predict_fixed
from pibench.engines.lean.switches import LEAN
from pibench.measure import stages
from pibench.measure.plan import Cell
from pibench.measure.study import Log, Save
from pibench.measure.workbench import Workbench
from pibench.tasks.metrics import answers, score
from pibench.training.finetune import predict

BITS = (8, 9, 10, 11, 12, 13, 14, 16)


def test_precision(bench: Workbench, save: Save, log: Log, request: pytest.FixtureRequest) -> None:
    dense = {cell.task: cell for cell in request.config.stash[PLAN].cells if cell.method == "dense"}
    save("precision", [row for cell in dense.values() for row in against_precision(bench, cell, log)])


def against_precision(bench: Workbench, cell: Cell, log: Log) -> list[dict[str, Any]]:
    model, data = stages.dense(bench, cell).model, bench.task(cell.task, cell.seed).data
    floats = predict(model, data.selection, data.pad_id)
    labels = data.selection.labels.numpy()

    def measured(logits: np.ndarray) -> float:
        return score(data.task, answers(data.task, logits), labels)["score"]

    rows = []
    for bits in BITS:
        log(f"{cell.task}: {bits} fractional bits")
        switches = replace(LEAN, fraction_bits=bits)
        emulated = predict_fixed(model, data.selection, data.pad_id, switches, cell.seed, inject=False)
        difference = np.abs(emulated.logits - floats)
        same = (answers(data.task, emulated.logits) == answers(data.task, floats)).mean()
        rows.append(
            {
                "task": cell.task,
                "fraction_bits": bits,
                "score": measured(emulated.logits),
                "float": measured(floats),
                "labels_agree": None if data.task.regression else 100 * float(same),
                "mean_difference": float(difference.mean()),
                "largest_difference": float(difference.max()),
                "expected_wraps": sum(emulated.expected_wraps.values()) / len(labels),
                "examples": len(labels),
            }
        )
    return rows
