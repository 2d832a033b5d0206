"""A reference for the dense model: transformers' BERT, fine-tuned with the same budget and in the same loop."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from benchmarks.outcome import finish
from pibench.measure.accuracy import blank_accuracy, float_scores
from pibench.measure.plan import Cell
from pibench.measure.run import run_cell
from pibench.measure.workbench import Workbench
from pibench.model.backbones.backbone import build_model, export
from pibench.model.floats import TorchInterpreter
from pibench.model.module import Model
from pibench.results.stats import paired_ratio
from pibench.tasks.batches import Batch, ordered, shuffled
from pibench.tasks.data import Split
from pibench.training.finetune import EVALUATION_BATCH, label_loss, task_loss, train, training_step

STEPS = 9


def test_reference(bench: Workbench, reference: Cell, pytestconfig: pytest.Config) -> None:
    blank = blank_accuracy(bench, reference) | {"method_version": transformers.__version__}
    finish(lambda: run_cell(bench, blank, lambda: measure(bench, reference)), pytestconfig)


def measure(bench: Workbench, cell: Cell) -> dict[str, Any]:
    task = bench.task(cell.task, cell.seed)
    ours = build_model(bench.backbone, task.data.task.outputs, cell.seed)
    theirs = export(ours, bench.backbone)
    speed = training_speed(ours, theirs, bench, cell)
    fresh = export(build_model(bench.backbone, task.data.task.outputs, cell.seed), bench.backbone)
    train(fresh, task.data, bench.budget(cell), transformers_loss, f"transformers on {cell.task}")
    return float_scores(task, predict(fresh, task.validation, task.data.pad_id)) | speed


def training_speed(ours: Model, theirs: Any, bench: Workbench, cell: Cell) -> dict[str, float]:
    """Return the median ratio of our forward and backward time to transformers', pair by pair on real batches."""
    data, budget = bench.task(cell.task, cell.seed).data, bench.budget(cell)
    rng = np.random.default_rng(cell.seed)
    batches = list(shuffled(data.train, budget.batch_size, data.pad_id, rng, STEPS * budget.batch_size))
    own: list[float] = []
    other: list[float] = []
    ours.train()
    theirs.train()
    for index, batch in enumerate(batches):
        turns = [(own, ours, label_loss), (other, theirs, transformers_loss)]
        for times, model, loss in turns if index % 2 else turns[::-1]:
            start = time.perf_counter()
            training_step(model, batch, loss)
            times.append(time.perf_counter() - start)
    return {"training_step_ratio": paired_ratio(own[1:], other[1:]).median}


def logits(model: Any, batch: Batch) -> torch.Tensor:
    return model(input_ids=batch.input_ids, token_type_ids=batch.token_type_ids, attention_mask=batch.keep).logits


def transformers_loss(model: Any, batch: Batch, ops: TorchInterpreter) -> torch.Tensor:
    return task_loss(logits(model, batch), batch.labels)


@torch.no_grad()
def predict(model: Any, split: Split, pad_id: int) -> np.ndarray:
    answers = np.zeros((len(split), model.config.num_labels), dtype=np.float32)
    for batch in ordered(split, EVALUATION_BATCH, pad_id):
        answers[batch.indices] = logits(model, batch).numpy()
    return answers
