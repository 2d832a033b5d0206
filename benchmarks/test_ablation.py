"""Methods taken apart: each of a method's ablations, with the same dense model and the same budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.conftest import CELLS
from benchmarks.studies import Save
from pibench import registry
from pibench.interpreters.ledger import predict
from pibench.measure.accuracy import float_scores
from pibench.measure.plan import Cell
from pibench.measure.workbench import Workbench
from pibench.model import Model
from pibench.training.finetune import predict as predict_floats


def test_ablation(bench: Workbench, save: Save, tell: Callable[[str], None], request: pytest.FixtureRequest) -> None:
    tasks = {(cell.task, cell.seed): cell for cell in request.config.stash[CELLS]}
    rows = []
    for cell in tasks.values():
        for name in registry.names():
            for variant in registry.get(name).info.ablations:
                tell(f"{cell.task}: {name}, {variant.name}")
                rows.append(measure(bench, replace(cell, method=name, variant=variant)))
    save("methods_ablation", rows)


def measure(bench: Workbench, cell: Cell) -> dict[str, Any]:
    task, model = bench.task(cell.task, cell.seed), bench.compressed(cell)
    assert isinstance(model, Model)
    cost = predict(model.architecture, 1, bench.plan.seq_len).total()
    dense = predict(bench.dense(cell).architecture, 1, bench.plan.seq_len).total()
    scores = [
        float_scores(task, predict_floats(own, task.validation, task.data.pad_id))["float"]
        for own in (model, bench.dense(cell))
    ]
    stages = model.notes["stages"]
    return {
        "task": cell.task,
        "seed": cell.seed,
        "method": cell.method,
        "ablation": cell.variant.name,
        "float": scores[0],
        "dense_float": scores[1],
        "selection": model.notes["chosen"]["score"],
        "dense_selection": model.notes["dense_score"],
        "bytes_total": cost.bytes,
        "dense_bytes_total": dense.bytes,
        "rounds": cost.rounds,
        "stage_megabytes": [stage["megabytes"] for stage in stages],
        "stage_scores": [stage["score"] for stage in stages],
        "epochs": bench.plan.budget.epochs,
        "examples": bench.plan.budget.examples,
    }
