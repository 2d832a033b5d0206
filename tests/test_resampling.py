"""Intervals and tests over examples and seeds, against metrics, McNemar's test, and a simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from pibench.results import resampling
from pibench.results.resampling import holm, interval, p_value, replicates, weighted_scores
from pibench.tasks.metrics import score
from pibench.tasks.task import Task

TASK = Task("simulated", ("text",), 2, ("accuracy",))
METRICS = [("accuracy",), ("f1",), ("matthews",), ("accuracy", "f1"), ("pearson",), ("spearman",)]


@pytest.mark.parametrize("metrics", METRICS, ids="+".join)
@pytest.mark.parametrize("classes", [2, 3])
def test_weighted_scores_are_those_of_the_repeated_examples(metrics: tuple[str, ...], classes: int) -> None:
    rng = np.random.default_rng(classes)
    regression = metrics[0] in ("pearson", "spearman")
    task = Task("any", ("text",), 1 if regression else classes, metrics)
    labels = rng.integers(classes, size=40)
    answers = np.where(rng.random((3, 40)) < 0.7, labels, rng.integers(classes, size=(3, 40)))
    answers[2] = answers[2, 0]
    if regression:
        labels, answers = labels + 0.0, answers + rng.normal(size=(3, 40)).round(1)
    counts = resampling._draw(40, 20, rng)
    found = weighted_scores(task, labels, answers, counts)
    for draw, repeats in enumerate(counts.astype(int)):
        chosen = np.repeat(np.arange(40), repeats)
        expected = [score(task, row[chosen], labels[chosen])["score"] for row in answers]
        np.testing.assert_allclose(found[draw], expected, atol=1e-9)


def test_a_metric_without_a_weighted_form_is_resampled_too(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    labels, answers = rng.integers(2, size=30), rng.integers(2, size=(2, 30))
    counts = resampling._draw(30, 5, rng)
    fast = weighted_scores(TASK, labels, answers, counts)
    monkeypatch.setattr(resampling, "_WEIGHTED", {})
    np.testing.assert_allclose(weighted_scores(TASK, labels, answers, counts), fast)


def simulated(
    rng: np.random.Generator, loss: float, seeds: int, rows: int = 2, examples: int = 200
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, all 1, and answers of rows whose accuracies are the first one's less ``loss``.

    With several seeds each row's accuracy also varies from seed to seed, with a standard deviation of two points.
    """
    ease = rng.uniform(0.5, 0.9, size=examples)
    chances = np.stack([ease + 0.05, *[ease + 0.05 - loss] * (rows - 1)])[None]
    chances = chances + rng.normal(0, 0.02 if seeds > 1 else 0.0, size=(seeds, rows, 1))
    luck = rng.random((seeds, 1, examples))  # shared by rows: they agree more often than by chance
    return np.ones(examples, dtype=int), (luck < chances).astype(int)


@pytest.mark.parametrize(("seeds", "rows"), [(1, 2), (3, 2), (3, 8)])
def test_intervals_cover_a_known_difference(seeds: int, rows: int) -> None:
    loss, covered, rng = 0.03, [], np.random.default_rng(7)
    for _ in range(1000):
        labels, answers = simulated(rng, loss, seeds, rows)
        drawn = replicates(TASK, labels, answers, draws=300)
        low, high = interval(drawn[:, 0] - drawn[:, 1])
        covered.append(low <= 100 * loss <= high)
    assert 0.93 <= np.mean(covered) <= 0.97


def test_more_seeds_narrow_an_interval_and_a_restless_row_has_a_wider_one() -> None:
    rng = np.random.default_rng(3)
    labels = np.ones(300, dtype=int)
    steady = rng.random((8, 6, 300)) < 0.8
    steady[:, 5] = rng.random((8, 300)) < rng.uniform(0.5, 1.0, size=(8, 1))
    drawn = replicates(TASK, labels, steady.astype(int))
    widths = drawn.std(0)
    assert widths[5] > 1.5 * widths[:5].max()
    fewer = replicates(TASK, labels, steady[:2].astype(int)).std(0)
    assert (widths[:5] < fewer[:5]).all()


def test_the_p_value_is_close_to_mcnemars() -> None:
    rng = np.random.default_rng(5)
    labels = np.ones(1000, dtype=int)
    answers = np.ones((1, 2, 1000), dtype=int)
    answers[0, 0, :60], answers[0, 1, 40:130] = 0, 0
    rng.shuffle(answers, axis=2)
    drawn = replicates(TASK, labels, answers)
    difference = 100 * (answers[0, 0].mean() - answers[0, 1].mean())
    only_first, only_second = 70, 40
    mcnemar = binomtest(only_second, only_first + only_second).pvalue
    assert p_value(difference, drawn[:, 0] - drawn[:, 1]) == pytest.approx(mcnemar, rel=0.5)
    assert mcnemar < 0.01


def test_shuffled_labels_tell_nothing_apart() -> None:
    rng = np.random.default_rng(11)
    labels, answers = simulated(rng, 0.2, seeds=3, rows=6, examples=400)
    labels = rng.integers(2, size=len(labels))
    right = np.where(answers == 1, labels, 1 - labels)

    def p(of: np.ndarray) -> float:
        drawn = replicates(TASK, of, right)
        points = (right == of).mean(axis=(0, 2)) * 100
        return p_value(points[0] - points[1], drawn[:, 0] - drawn[:, 1])

    assert p(labels) < 0.001
    assert p(rng.permutation(labels)) > 0.05


def test_holm_is_the_published_example() -> None:
    # Holm (1979): the smallest of m p-values is multiplied by m, the next by m - 1, and so on, never decreasing.
    np.testing.assert_allclose(holm(np.array([0.04, 0.01, 0.03, 0.005])), [0.06, 0.03, 0.06, 0.02])
    assert holm(np.array([0.6, 0.7])).tolist() == [1.0, 1.0]


def test_equal_rows_are_never_told_apart() -> None:
    labels = np.array([0, 1, 1, 0])
    answers = np.array([[[0, 1, 0, 0], [0, 1, 0, 0]]])
    drawn = replicates(TASK, labels, answers)
    assert p_value(0.0, drawn[:, 0] - drawn[:, 1]) == 1.0
