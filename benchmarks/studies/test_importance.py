"""How stable is each measure of a head's importance? Over halves of the examples, and over seeds of the dense model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.conftest import PLAN
from pibench.measure.stages import dense
from pibench.measure.study import Log, Save
from pibench.measure.workbench import Workbench
from pibench.methods.registry import METHODS
from pibench.methods.studies import StudiesImportance


def test_importance(bench: Workbench, save: Save, log: Log, request: pytest.FixtureRequest) -> None:
    cells = {(cell.task, cell.seed): cell for cell in request.config.stash[PLAN].cells}
    studied = [method for method in METHODS.values() if isinstance(method, StudiesImportance)]
    rows = []
    for task in dict.fromkeys(task for task, _ in cells):
        own = [replace(cell, method="dense") for (name, _), cell in cells.items() if name == task]
        log(f"{task}: {len(own)} seeds")
        models, data = [dense(bench, cell).model for cell in own], [bench.task(task, cell.seed).data for cell in own]
        rows += [row for method in studied for row in method.importance_study(models, data)]
    save("importance", rows)
