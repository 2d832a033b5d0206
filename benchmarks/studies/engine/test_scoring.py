"""How much longer does scoring in emulated fixed point take than in floats? Both on the same examples, interleaved."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.conftest import PLAN
from pibench.engines.lean.fixed_point import predict_fixed
from pibench.measure.study import Log, Save
from pibench.measure.workbench import Workbench
from pibench.model.backbones.backbone import build_model
from pibench.results.stats import MIN_PAIRS
from pibench.training.finetune import predict

EXAMPLES = 64


def test_scoring(bench: Workbench, save: Save, log: Log, request: pytest.FixtureRequest) -> None:
    tasks = dict.fromkeys(cell.task for cell in request.config.stash[PLAN].cells)
    save("scoring", [timed(bench, task, log) for task in tasks])


def timed(bench: Workbench, task: str, log: Log) -> dict[str, Any]:
    """Time the dense model, not fine-tuned: the time does not depend on the weights' values."""
    data = bench.task(task, 0).data
    model, split = build_model(bench.backbone, data.task.outputs).eval(), data.selection.first(EXAMPLES)
    fixed: list[float] = []
    floats: list[float] = []
    turns: list[tuple[list[float], Callable[[], object]]] = [
        (fixed, lambda: predict_fixed(model, split, data.pad_id)),
        (floats, lambda: predict(model, split, data.pad_id)),
    ]
    for number in range(MIN_PAIRS + 1):
        log(f"{task}: pair {number + 1} of {MIN_PAIRS + 1}")
        for times, score in turns if number % 2 else turns[::-1]:
            start = time.perf_counter()
            score()
            times.append(time.perf_counter() - start)
    tokens = sum(map(len, split.input_ids)) / len(split)
    return {"task": task, "examples": len(split), "tokens": tokens, "fixed": fixed[1:], "float": floats[1:]}
