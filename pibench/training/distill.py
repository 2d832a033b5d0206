"""Recovery: train a compressed model back towards its dense model, in the same way for every method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from pibench.errors import InputError
from pibench.model.floats import TorchInterpreter
from pibench.model.module import Model
from pibench.tasks.batches import Batch
from pibench.tasks.data import TaskData
from pibench.training.budget import Budget
from pibench.training.device import on_device
from pibench.training.finetune import DROPOUT, Loss, label_loss, task_loss, train

Hidden = Sequence[torch.Tensor]
"""The output of every layer (batch, seq, hidden)."""
Compared = Callable[[Hidden], Hidden]
"""From the outputs of the teacher's layers to what those of the student's are compared with."""

HIDDEN_WEIGHT = 50.0
"""On STS-B's and MRPC's selection splits, half an epoch to an epoch recovers most at 20 to 100; 1 is far worse."""
LABEL_WEIGHT = 0.5
LATER_RATE = 0.2
"""The learning rate of MPCFormer's second stage over that of its first: 1e-5 over 5e-5 in its scripts."""


class Regulariser(nn.Module, ABC):
    """A penalty on activations of the forward pass; its parameters are trained along with the model's."""

    @abstractmethod
    def interpreter(self, dropout: float) -> TorchInterpreter:
        """Return the interpreter for the forward pass."""

    @abstractmethod
    def forward(self, ops: TorchInterpreter) -> torch.Tensor:
        """Return the penalty, a scalar, after a forward pass on ``ops``."""


def regularised(loss: Loss[Model], regulariser: Regulariser, dropout: float) -> Loss[nn.ModuleList]:
    """Return ``loss`` plus the penalty, for a list of the model and its regulariser."""

    def both(pair: nn.ModuleList, batch: Batch, ops: TorchInterpreter) -> torch.Tensor:
        watching = regulariser.interpreter(dropout)
        return loss(cast("Model", pair[0]), batch, watching) + regulariser(watching)

    return both


def everything(hidden: Hidden) -> Hidden:
    """Compare the student's layers with all of the teacher's."""
    return hidden


def recover(
    student: Model,
    teacher: Model,
    data: TaskData,
    budget: Budget,
    regulariser: Regulariser | None = None,
    examples: int | None = None,
    compared: Compared = everything,
) -> Model:
    """Train ``student`` in place by the budget's recovery and return it.

    ``distill`` matches every layer's output and the logits of ``teacher``, with the labels beside them;
    ``finetune`` uses the labels alone. The embeddings are not trained: the client computes them exactly.

    ``examples`` is the most to spend; by default it is all that the student's earlier training has left of the budget.
    ``compared`` chooses what of the teacher's layers the student's are compared with, if their shapes differ.

    Raises:
        InputError: the student cannot be trained back towards this teacher (see :func:`refuse_misfit`).
    """
    refuse_misfit(student, teacher, budget, compared)
    rest = left(student, data, budget)
    spent = rest if examples is None else min(rest, examples)
    finetune = budget.recovery == "finetune"
    loss, name = (label_loss, "fine-tuning back") if finetune else (_distillation(teacher, compared), "distilling")
    dropout = DROPOUT if finetune else 0.0
    with _training_back(student, teacher):
        if regulariser is None:
            return train(student, data, budget, loss, name, dropout, examples=spent)
        both, penalised = nn.ModuleList([student, regulariser]), regularised(loss, regulariser, dropout)
        train(both, data, budget, penalised, name, examples=spent)
    return student


def left(model: Model, data: TaskData, budget: Budget) -> int:
    """Return the training examples that a model has left of its budget."""
    return max(0, budget.allowance(len(data.train)) - model.spent.examples)


def refuse_misfit(student: Model, teacher: Model, budget: Budget, compared: Compared = everything) -> None:
    """Check that ``student`` can be trained back towards what is ``compared`` of ``teacher``.

    Raises:
        InputError: it is no model, a coefficient was never set, or what distillation compares has another shape.
    """
    if not isinstance(student, Model):
        raise InputError(f"a {type(student).__name__} cannot be recovered: pass a Model, such as dense.rebuilt(...)")
    student.refuse_unset()
    own, other = student.architecture, teacher.architecture
    sizes = {"outputs": (own.outputs, other.outputs)}
    if budget.recovery == "distill":
        goal = compared([torch.empty(0, 0, other.hidden_size)] * len(other.layers))
        sizes["layers"] = len(own.layers), len(goal)
        sizes["hidden units"] = own.hidden_size, goal[-1].shape[-1]
    for what, (ours, theirs) in sizes.items():
        if ours != theirs:
            raise InputError(
                f"the number of {what} differs, {ours} in the student and {theirs} in its teacher: "
                f"recovery by {budget.recovery!r} needs the same"
            )


@contextmanager
def _training_back(student: Model, teacher: Model) -> Iterator[None]:
    """Freeze the student's embeddings, and move the teacher to the training device."""
    student.embeddings.requires_grad_(False)
    try:
        with on_device(teacher):
            yield
    finally:
        student.embeddings.requires_grad_(True)


def recover_in_stages(student: Model, teacher: Model, data: TaskData, budget: Budget) -> Model:
    """Train ``student`` in place as MPCFormer does, and return it; ``finetune`` is that of :func:`recover`.

    The first half of what is left of the budget matches the outputs of all layers, the second half the logits, each
    with its own schedule (Li et al., ICLR 2023, section 3.3). Errors are those of :func:`recover`.
    """
    if budget.recovery == "finetune":
        return recover(student, teacher, data, budget)
    refuse_misfit(student, teacher, budget)
    rest = left(student, data, budget)
    later, slower = rest // 2, replace(budget, learning_rate=LATER_RATE * budget.learning_rate)
    of_layers = _distillation(teacher, logits=0.0, labels=0.0)
    of_logits = _distillation(teacher, hidden=0.0, labels=0.0)
    with _training_back(student, teacher):
        train(student, data, budget, of_layers, "distilling layers", dropout=0.0, examples=rest - later)
        train(student, data, slower, of_logits, "distilling logits", dropout=0.0, examples=later)
    return student


def _distillation(
    teacher: Model,
    compared: Compared = everything,
    hidden: float = HIDDEN_WEIGHT,
    logits: float = 1.0,
    labels: float = LABEL_WEIGHT,
) -> Loss[Model]:
    """Return the weighted sum of the distances from the teacher's layers and logits, and of the task's own loss.

    ``compared`` is that of :func:`recover`.
    """
    teacher.eval()

    def loss(student: Model, batch: Batch, ops: TorchInterpreter) -> torch.Tensor:
        inputs = batch.input_ids, batch.token_type_ids, batch.keep
        with torch.no_grad():
            goal = teacher(*inputs)
        output = student(*inputs, ops)
        keep = batch.keep[:, :, None]
        of_layers = sum(
            ((own - other) ** 2 * keep).sum() / (keep.sum() * own.shape[-1])
            for own, other in zip(output.hidden, compared(goal.hidden), strict=True)
        )
        of_logits = _logit_loss(output.logits.float(), goal.logits.float())
        return hidden * of_layers + logits * of_logits + labels * task_loss(output.logits, batch.labels)

    return loss


def _logit_loss(own: torch.Tensor, goal: torch.Tensor) -> torch.Tensor:
    if own.shape[1] == 1:
        return functional.mse_loss(own, goal)
    return functional.kl_div(own.log_softmax(-1), goal.softmax(-1), reduction="batchmean")
