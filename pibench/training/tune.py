"""Tunes the dense model first, on the selection split: a weak one would make every method look good."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from pibench.model.module import Model
from pibench.model.spent import Spent
from pibench.tasks.data import TaskData
from pibench.tasks.metrics import answers, score
from pibench.training.budget import Budget
from pibench.training.finetune import label_loss, predict, train
from pibench.training.spending import counted


@dataclass(frozen=True)
class Grid:
    """What the dense model is tuned over.

    A learning rate is chosen after ``epochs`` epochs; with it the epochs are doubled while the best score gains, up to
    ``most_epochs``.
    """

    learning_rates: tuple[float, ...]
    epochs: int
    most_epochs: int


@dataclass(frozen=True)
class Run:
    """One training run: its seed, learning rate and epochs, the selection score after each epoch in percent.

    ``kept`` is what was spent up to the best epoch, ``spent`` what was spent in all.
    """

    seed: int
    learning_rate: float
    epochs: int
    scores: tuple[float, ...]
    kept: Spent
    spent: Spent

    @property
    def best(self) -> float:
        """The best selection score."""
        return max(self.scores)

    @property
    def best_epoch(self) -> int:
        """The first epoch with the best selection score, counted from 1."""
        return self.scores.index(self.best) + 1

    def report(self) -> dict[str, Any]:
        """Return the run as JSON types, without ``kept``, which only matters for the run that is chosen."""
        return {
            "seed": self.seed,
            "learning_rate": self.learning_rate,
            "epochs": self.epochs,
            "scores": list(self.scores),
            "spent": asdict(self.spent),
        }


def fine_tune(build: Callable[[], Model], data: TaskData, budget: Budget) -> tuple[Model, Run]:
    """Fine-tune what ``build`` returns; return the model of the epoch that is best on the selection split, and the run.

    Ties go to the earlier epoch. The model is a dense model: what is spent on it is counted from here on.

    Raises:
        ValueError: the budget has no epoch.
    """
    if budget.epochs < 1:
        raise ValueError("fine-tuning needs at least one epoch")
    best: list[Model] = []
    scores: list[float] = []

    def keep_best(model: Model) -> None:
        scores.append(selection_score(model, data))
        if scores[-1] > max(scores[:-1], default=float("-inf")):
            best[:] = [copy.deepcopy(model).cpu().eval()]

    name = f"fine-tuning {data.task.name} at {budget.learning_rate:g}"
    with counted() as count:
        train(build(), data, budget, label_loss, name, each_epoch=keep_best)
    (model,) = best
    kept, model.spent = model.spent, Spent()
    return model, Run(budget.seed, budget.learning_rate, budget.epochs, tuple(scores), kept, count.total)


def best_rate(runs: Iterable[Run]) -> float:
    """Return the learning rate whose runs have the highest mean of best scores; ties go to the earlier one."""
    by_rate: dict[float, list[float]] = {}
    for run in runs:
        by_rate.setdefault(run.learning_rate, []).append(run.best)
    return max(by_rate, key=lambda rate: fmean(by_rate[rate]))


def lengthened(run: Callable[[int], Run], grid: Grid) -> list[Run]:
    """Return runs of ``grid.epochs`` epochs, then of twice as many, and so on.

    The last one is the first whose best score no longer gains, or the longest that the grid allows.
    """
    runs = [run(grid.epochs)]
    while 2 * runs[-1].epochs <= grid.most_epochs:
        longer = run(2 * runs[-1].epochs)
        runs.append(longer)
        if longer.best <= runs[-2].best:
            break
    return runs


def selection_score(model: Model, data: TaskData) -> float:
    """Return GLUE's score of a model on the selection split, in percent."""
    predictions = answers(data.task, predict(model, data.selection, data.pad_id))
    return score(data.task, predictions, data.selection.labels.numpy())["score"]
