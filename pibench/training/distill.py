"""Recovery: train a compressed model back towards the dense one it came from, alike for every method."""

from __future__ import annotations

import torch
from torch.nn import functional

from pibench.contract import Budget, TaskData
from pibench.interpreters.torch import TorchInterpreter
from pibench.model import Model
from pibench.training.batches import Batch
from pibench.training.finetune import Loss, label_loss, task_loss, train

HIDDEN_WEIGHT = 50.0
"""On STS-B's and MRPC's selection splits, half an epoch to an epoch brings back most at 20 to 100; 1 is far worse."""
LABEL_WEIGHT = 0.5


def recover(student: Model, teacher: Model, data: TaskData, budget: Budget) -> Model:
    """Train ``student`` in place by the budget's recovery and return it.

    ``distill`` matches every layer's output and the logits of ``teacher``, with the labels beside them;
    ``finetune`` uses the labels alone. The embeddings stay as they are: the client computes them exactly.
    """
    student.embeddings.requires_grad_(False)
    try:
        return _recover(student, teacher, data, budget)
    finally:
        student.embeddings.requires_grad_(True)


def _recover(student: Model, teacher: Model, data: TaskData, budget: Budget) -> Model:
    if budget.recovery == "finetune":
        return train(student, data, budget, label_loss, "fine-tuning back")
    return train(student, data, budget, _distillation(teacher), "distilling", dropout=0.0)


def _distillation(teacher: Model) -> Loss[Model]:
    teacher.eval()

    def loss(student: Model, batch: Batch, ops: TorchInterpreter) -> torch.Tensor:
        inputs = batch.input_ids, batch.token_type_ids, batch.keep
        with torch.no_grad():
            goal = teacher(*inputs)
        output = student(*inputs, ops)
        keep = batch.keep[:, :, None]
        hidden = sum(
            ((own - other) ** 2 * keep).sum() / (keep.sum() * own.shape[-1])
            for own, other in zip(output.hidden, goal.hidden, strict=True)
        )
        logits = _logit_loss(output.logits.float(), goal.logits.float())
        return HIDDEN_WEIGHT * hidden + logits + LABEL_WEIGHT * task_loss(output.logits, batch.labels)

    return loss


def _logit_loss(own: torch.Tensor, goal: torch.Tensor) -> torch.Tensor:
    if own.shape[1] == 1:
        return functional.mse_loss(own, goal)
    return functional.kl_div(own.log_softmax(-1), goal.softmax(-1), reduction="batchmean")
