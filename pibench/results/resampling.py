"""How sure a score is: a bootstrap over validation examples and seeds, with the same draws for all rows of a task.

Equal draws make differences between rows paired: an example that is hard for every row cancels.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
from scipy.stats import chi2, norm, rankdata

from pibench.tasks.metrics import AVERAGED, score
from pibench.tasks.task import Task

DRAWS = 2000
LEVEL = 0.05
PRIOR = 10
"""Degrees of freedom, at most, with which a row's variance over seeds is drawn towards the median of all rows."""


def replicates(task: Task, labels: np.ndarray, answers: np.ndarray, draws: int = DRAWS) -> np.ndarray:
    """Return bootstrap replicates of each row's score, its mean over seeds in percent, of shape (draws, rows).

    ``labels`` has shape (examples,), ``answers`` (seeds, rows, examples): class ids or scores. Each draw takes as many
    examples with replacement, the same for all rows and seeds. With several seeds it also adds an error of the mean
    over seeds, from each row's variance beside what all rows of a seed have in common. That variance is moderated as
    by Smyth (2004, section 3). With one seed the replicates vary with the examples alone.
    """
    rng = np.random.default_rng([zlib.crc32(task.name.encode()), len(labels)])
    counts = _draw(len(labels), draws, rng)
    means = np.mean([weighted_scores(task, labels, of_seed, counts) for of_seed in answers], axis=0)
    once = np.ones((1, len(labels)))
    points = np.concatenate([weighted_scores(task, labels, of_seed, once) for of_seed in answers])
    return means + _seed_errors(points, draws, rng)


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % percentile interval of bootstrap replicates, of shape (draws,)."""
    low, high = np.quantile(values, [LEVEL / 2, 1 - LEVEL / 2])
    return float(low), float(high)


def p_value(point: float, values: np.ndarray) -> float:
    """Return the two-sided p-value of a difference being zero, from the standard deviation of its replicates."""
    deviation = float(values.std(ddof=1))
    if deviation == 0:
        return 1.0 if point == 0 else 0.0
    return float(2 * norm.sf(abs(point) / deviation))


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return p-values adjusted for their number by Holm (1979), of the same shape (tests,)."""
    order = np.argsort(p_values)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.maximum.accumulate(np.sort(p_values) * np.arange(len(p_values), 0, -1))
    return adjusted.clip(max=1.0)


def weighted_scores(task: Task, labels: np.ndarray, answers: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the task's score in percent, (draws, rows), where each example counts ``counts`` (draws, examples) times.

    ``answers`` has shape (rows, examples).
    """
    macro = set(AVERAGED if task.outputs > 2 else ())  # a mean over classes, which is not in _WEIGHTED
    fast = _WEIGHTED.keys() - macro
    metrics = [_WEIGHTED[name](labels, answers, counts) if name in fast else None for name in task.metrics]
    if any(metric is None for metric in metrics):
        return _one_by_one(task, labels, answers, counts)
    return 100 * np.mean([metric for metric in metrics if metric is not None], axis=0)


def _draw(examples: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return how often each example is drawn, (draws, examples)."""
    chosen = rng.integers(examples, size=(draws, examples)) + np.arange(draws)[:, None] * examples
    return np.bincount(chosen.ravel(), minlength=draws * examples).reshape(draws, examples).astype(np.float64)


def _seed_errors(points: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return errors (draws, rows) of means over seeds, from the scores ``points`` (seeds, rows); 0 for one seed."""
    seeds, rows = points.shape
    if seeds == 1 or rows == 1:
        return np.zeros((draws, rows))
    rest = points - points.mean(0) - points.mean(1, keepdims=True) + points.mean()
    own = (rest**2).sum(0) / (seeds - 1) * rows / (rows - 1)
    prior = min(PRIOR, (rows - 2) * (seeds - 1))
    freedom = seeds - 1 + prior
    typical = np.median(own) * (seeds - 1) / chi2.median(seeds - 1)  # without the bias of a median
    moderated = ((seeds - 1) * own + prior * typical) / freedom
    return rng.standard_t(freedom, size=(draws, rows)) * np.sqrt(moderated / seeds)


def _accuracy(labels: np.ndarray, answers: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return counts @ (answers == labels).T.astype(float) / len(labels)


def _f1(labels: np.ndarray, answers: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the F1 of class 1; 0 where neither labels nor answers have it."""
    found = counts @ ((answers == 1) & (labels == 1)).T.astype(float)
    named = counts @ (answers == 1).T.astype(float) + (counts @ (labels == 1).astype(float))[:, None]
    return np.divide(2 * found, named, out=np.zeros_like(found), where=named > 0)


def _matthews(labels: np.ndarray, answers: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return Matthews' correlation for any number of classes (Gorodkin 2004); 0 where it is not defined."""
    size = float(len(labels))
    right = counts @ (answers == labels).T.astype(float)
    products, answered, labelled = 0.0, 0.0, 0.0
    for one in np.union1d(labels, answers):
        given = counts @ (answers == one).T.astype(float)
        true = (counts @ (labels == one).astype(float))[:, None]
        products, answered, labelled = products + given * true, answered + given**2, labelled + true**2
    spread = np.sqrt((size**2 - answered) * (size**2 - labelled))
    return np.divide(right * size - products, spread, out=np.zeros_like(right), where=spread > 0)


def _pearson(labels: np.ndarray, answers: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.stack([_correlation(counts, labels, row) for row in answers], axis=1)


def _spearman(labels: np.ndarray, answers: np.ndarray, counts: np.ndarray) -> np.ndarray:
    true = _ranks(labels, counts)
    return np.stack([_correlation(counts, true, _ranks(row, counts)) for row in answers], axis=1)


def _ranks(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the rank (draws, examples) of each value in a sample that has it ``counts`` times; ties share a rank."""
    groups = rankdata(values, method="dense") - 1
    sizes = np.zeros((len(counts), groups.max() + 1))
    np.add.at(sizes.T, groups, counts.T)
    return (np.cumsum(sizes, axis=1) - sizes / 2 + 0.5)[:, groups]


def _correlation(counts: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation (draws,) of values weighted by ``counts`` (draws, examples).

    The two sides are (examples,) or (draws, examples). The correlation is 0 where one side is constant.
    """
    size = counts.sum(1)
    first, second = (side - ((counts * side).sum(1) / size)[:, None] for side in (first, second))
    products = (counts * first * second).sum(1)
    spread = np.sqrt((counts * first**2).sum(1) * (counts * second**2).sum(1))
    return np.divide(products, spread, out=np.zeros_like(products), where=spread > 1e-12)


_WEIGHTED: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "accuracy": _accuracy,
    "f1": _f1,
    "matthews": _matthews,
    "pearson": _pearson,
    "spearman": _spearman,
}
"""Metrics (draws, rows) of resampled examples, from labels, answers and counts; equal to those of the metrics."""


def _one_by_one(task: Task, labels: np.ndarray, answers: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return what :func:`weighted_scores` does for metrics that are not in ``_WEIGHTED``, much more slowly."""
    drawn = [np.repeat(np.arange(len(labels)), row.astype(int)) for row in counts]
    return np.array([[score(task, row[chosen], labels[chosen])["score"] for row in answers] for chosen in drawn])
