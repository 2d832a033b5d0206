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

TUNED_SEEDS = (0, 1)
"""The seeds at which a task's learning rate is chosen, by the mean of their scores."""


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
        """Return the run as JSON types, without ``kept``."""
        return {
            "seed": self.seed,
            "learning_rate": self.learning_rate,
            "epochs": self.epochs,
            "scores": list(self.scores),
            "spent": asdict(self.spent),
        }


@dataclass(frozen=True)
class Tuned:
    """The run that was chosen, and all runs behind the choice, in their order."""

    chosen: Run
    runs: tuple[Run, ...]

    def report(self) -> dict[str, Any]:
        """Return everything as JSON types; ``spent`` holds what was spent on the chosen model, and on all runs."""
        total = sum((run.spent for run in self.runs), Spent())
        return {
            "learning_rate": self.chosen.learning_rate,
            "epochs": self.chosen.epochs,
            "best_epoch": self.chosen.best_epoch,
            "runs": [run.report() for run in self.runs],
            "spent": {"returned": asdict(self.chosen.kept), "total": asdict(total)},
        }


def tune(run: Callable[[int, float, int], Run], seed: int, grid: Grid) -> Tuned:
    """Choose a learning rate at :data:`TUNED_SEEDS`, if the grid has several, and then the epochs at ``seed``.

    ``run`` returns the run of a seed, a learning rate and a number of epochs. Ties go to the earlier run.
    """
    rates = grid.learning_rates
    choice = [run(one, rate, grid.epochs) for rate in rates for one in TUNED_SEEDS] if len(rates) > 1 else []
    rate = best_rate(choice) if choice else rates[0]
    own = lengthened(lambda epochs: run(seed, rate, epochs), grid)
    return Tuned(max(own, key=lambda one: one.best), tuple(dict.fromkeys([*choice, *own])))


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
