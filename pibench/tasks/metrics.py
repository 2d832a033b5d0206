"""Metrics in percent, by scikit-learn and SciPy: those of GLUE, and more under the names of the library ``evaluate``.

More is better in all of them. With more than two classes, F1, precision and recall are macro averages: the means over
the classes that labels or predictions have.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef, precision_score, r2_score, recall_score

from pibench.errors import InputError, pick
from pibench.tasks.task import Task

Metric = Callable[[np.ndarray, np.ndarray], float]


def _or_zero(correlation: Metric) -> Metric:
    """Give 0 where one side is constant (to rounding), for which the metric is not defined."""

    def guarded(labels: np.ndarray, predictions: np.ndarray) -> float:
        if any(np.allclose(side, side[0], rtol=1e-12, atol=0) for side in (labels, predictions)):
            return 0.0
        return correlation(labels, predictions)

    return guarded


OF_CLASSES: dict[str, Metric] = {"accuracy": accuracy_score, "matthews": _or_zero(matthews_corrcoef)}
AVERAGED: dict[str, Callable[..., float]] = {"f1": f1_score, "precision": precision_score, "recall": recall_score}
"""Metrics of the class 1 of two; with more classes their mean over classes."""
OF_SCORES: dict[str, Metric] = {
    "pearson": _or_zero(lambda labels, predictions: stats.pearsonr(labels, predictions).statistic),
    "spearman": _or_zero(lambda labels, predictions: stats.spearmanr(labels, predictions).statistic),
    "r_squared": lambda labels, predictions: r2_score(labels, predictions) if len(labels) > 1 else 0.0,
}
_SHORT = {"matthews_correlation": "matthews", "pearsonr": "pearson", "spearmanr": "spearman"}
"""Names of the library ``evaluate`` that are shorter here."""
_ERRORS = ("mse", "mae", "mape", "smape", "mase")
"""Metrics of ``evaluate`` of which less is better."""


def short_name(name: str, regression: bool) -> str:
    """Return the name here of a metric, which may be named as in the library ``evaluate``.

    Raises:
        InputError: there is no such metric of scores (``regression``) or classes, or less of it is better.
    """
    if name in _ERRORS:
        raise InputError(
            f"less is better in the metric {name!r}, and a score must grow with quality: use {', '.join(OF_SCORES)}"
        )
    kind = "metric of scores" if regression else "metric of classes"
    return pick(kind, _SHORT.get(name, name), OF_SCORES if regression else OF_CLASSES | AVERAGED)


def _metric(task: Task, name: str) -> Metric:
    name = short_name(name, task.regression)
    if name not in AVERAGED:
        return (OF_SCORES if task.regression else OF_CLASSES)[name]
    average = "binary" if task.outputs == 2 else "macro"
    return lambda labels, predictions: AVERAGED[name](labels, predictions, average=average, zero_division=0.0)


def answers(task: Task, logits: np.ndarray) -> np.ndarray:
    """Return class ids (examples,), or the scores of a regression, from logits (examples, outputs).

    Raises:
        InputError: a logit is NaN or infinite, from which ``argmax`` would still make a class.
    """
    if broken := int((~np.isfinite(logits)).any(axis=1).sum()):
        raise InputError(
            f"{task.name} cannot be scored: {broken} of {len(logits)} examples have a logit that is NaN or infinite; "
            "check the training, or the engine that ran the model."
        )
    return logits[:, 0] if task.regression else logits.argmax(axis=1)


def score(task: Task, predictions: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Score predictions, in percent.

    ``predictions`` and ``labels`` have shape (examples,): class ids, or scores for a regression. The keys are
    ``task.metrics`` and ``score``, their mean, as in GLUE. A correlation with constant
    predictions or labels is 0.

    Raises:
        InputError: the input is empty, of unequal shapes or not finite, or a metric is unknown.
    """
    if predictions.ndim != 1 or predictions.shape != labels.shape or not predictions.size:
        raise InputError(
            f"{task.name} cannot be scored: predictions of shape {predictions.shape} and labels of shape "
            f"{labels.shape} must both be (examples,) with at least one example."
        )
    if not (np.isfinite(predictions).all() and np.isfinite(labels).all()):
        raise InputError(f"{task.name} cannot be scored: its values contain NaN or infinity; check the training.")
    if task.regression:
        predictions, labels = predictions.astype(np.float64), labels.astype(np.float64)
    values = {name: 100 * float(_metric(task, name)(labels, predictions)) for name in task.metrics}
    return {**values, "score": float(np.mean(list(values.values())))}


def majority_score(task: Task, train_labels: np.ndarray, labels: np.ndarray) -> float:
    """Score, in percent, of always predicting the most frequent training label (regression: the mean, so 0)."""
    answer = train_labels.mean() if task.regression else np.bincount(train_labels).argmax()
    return score(task, np.full(labels.shape, answer), labels)["score"]
