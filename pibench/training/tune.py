"""Tunes the dense model first, on the selection split: a weak one would make every method look good."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pibench.model.module import Model
from pibench.tasks.data import TaskData
from pibench.tasks.metrics import answers, score
from pibench.training.budget import Budget
from pibench.training.finetune import label_loss, predict, train


@dataclass(frozen=True)
class Grid:
    """The search grid: each learning rate is tried once for ``epochs`` epochs, and the best epoch is kept."""

    learning_rates: tuple[float, ...]
    epochs: int


@dataclass(frozen=True)
class Tuned:
    """The best model, its learning rate and epoch, and every selection score in percent, by learning rate and epoch."""

    model: Model
    learning_rate: float
    epochs: int
    scores: dict[str, list[float]]

    def report(self) -> dict[str, Any]:
        """Return all but the model, as plain JSON types."""
        return {"learning_rate": self.learning_rate, "epochs": self.epochs, "selection_scores": self.scores}


def tune(build: Callable[[], Model], data: TaskData, budget: Budget, grid: Grid) -> Tuned:
    """Fine-tune what ``build`` returns once per learning rate and keep the epoch that is best on the selection split.

    Ties go to the earlier one. Epochs and learning rate of ``budget`` are not used.
    """
    best: Tuned | None = None
    scores: dict[str, list[float]] = {}
    for rate in grid.learning_rates:
        of_rate = scores.setdefault(f"{rate:g}", [])

        def keep_best(model: Model, rate: float = rate, of_rate: list[float] = of_rate) -> None:
            nonlocal best
            of_rate.append(selection_score(model, data))
            if best is None or of_rate[-1] > best.scores[f"{best.learning_rate:g}"][best.epochs - 1]:
                best = Tuned(copy.deepcopy(model).cpu().eval(), rate, len(of_rate), scores)

        spent = replace(budget, learning_rate=rate, epochs=grid.epochs)
        train(build(), data, spent, label_loss, f"fine-tuning {data.task.name} at {rate:g}", each_epoch=keep_best)
    if best is None:
        raise ValueError("a grid needs at least one learning rate and one epoch")
    return best


def selection_score(model: Model, data: TaskData) -> float:
    """Return GLUE's score of a model on the selection split, in percent."""
    predictions = answers(data.task, predict(model, data.selection, data.pad_id))
    return score(data.task, predictions, data.selection.labels.numpy())["score"]
