"""Methods taken apart: each of a method's ablations, with the same dense model and the same, smaller, budget."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.conftest import PLAN
from pibench.engines.engine import Cost
from pibench.engines.lean.ledger import predict
from pibench.measure.accuracy import float_scores
from pibench.measure.plan import Cell
from pibench.measure.stages import compressed, dense
from pibench.measure.study import Log, Save
from pibench.measure.workbench import Workbench
from pibench.methods.registry import METHODS
from pibench.methods.trajectory import Trajectory
from pibench.model.module import Model
from pibench.training.budget import Budget
from pibench.training.finetune import predict as predict_floats

EXAMPLES_SHARE = 4
"""A quarter of the examples is enough, since ablations are compared only with each other, and a method has ten."""


def test_ablation(bench: Workbench, save: Save, log: Log, request: pytest.FixtureRequest) -> None:
    tasks = {(cell.task, cell.seed): cell for cell in request.config.stash[PLAN].cells}
    rows = []
    for cell in tasks.values():
        score, cost = measured(bench, cell, dense(bench, cell).model)
        whole = {"dense_float": score, "dense_bytes_total": cost.bytes}
        for name, method in METHODS.items():
            for variant in method.info.ablations:
                log(f"{cell.task}: {name}, {variant.name}")
                rows.append(whole | measure(bench, replace(cell, method=name, variant=variant)))
    save("methods_ablation", rows)


def measured(bench: Workbench, cell: Cell, model: Model) -> tuple[float, Cost]:
    """Return a model's score on the validation split, in percent, and what the ledger predicts for it."""
    task = bench.task(cell.task, cell.seed)
    logits = predict_floats(model, task.validation, task.data.pad_id)
    return float_scores(task, logits)["float"], predict(model.architecture, 1, bench.plan.seq_len).total()


def ablation_budget(bench: Workbench, cell: Cell) -> Budget:
    """Return what each ablation may spend on its recovery."""
    budget = bench.budget(cell)
    return replace(budget, examples=budget.examples // EXAMPLES_SHARE)


def measure(bench: Workbench, cell: Cell) -> dict[str, Any]:
    budget = ablation_budget(bench, cell)
    model = compressed(bench, cell, budget)
    assert isinstance(model, Model)
    score, cost = measured(bench, cell, model)
    trajectory = Trajectory.of(model.notes)
    stages = trajectory.stages if trajectory else ()
    return {
        "task": cell.task,
        "seed": cell.seed,
        "method": cell.method,
        "ablation": cell.variant.name,
        "float": score,
        "selection": trajectory and trajectory.chosen.score,
        "dense_selection": trajectory and trajectory.dense_score,
        "bytes_total": cost.bytes,
        "rounds": cost.rounds,
        "stage_megabytes": [stage.megabytes for stage in stages],
        "stage_scores": [stage.score for stage in stages],
        "epochs": budget.epochs,
        "examples": budget.examples,
    }
