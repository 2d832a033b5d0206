from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from pibench.errors import InputError
from pibench.measure.accuracy import compared, float_scores
from pibench.tasks.data import Split, TaskData
from pibench.tasks.encode import EncodedTask
from pibench.tasks.metrics import answers, majority_score, score
from pibench.tasks.registry import TASKS
from pibench.tasks.task import Task

CLASSES = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40)
SCORES = st.lists(st.tuples(st.integers(-60, 60), st.integers(0, 50)), min_size=2, max_size=40)


def arrays(pairs: list[tuple[int, int]], scale: int = 1) -> tuple[np.ndarray, np.ndarray]:
    predictions, labels = np.array(pairs).T
    return (predictions, labels) if scale == 1 else (predictions / scale, labels / scale)


def counts(predictions: np.ndarray, labels: np.ndarray) -> tuple[int, int, int, int]:
    """True positives, false positives, false negatives, true negatives."""
    tp, fp, fn, tn = (int(np.sum((predictions == p) & (labels == t))) for p in (1, 0) for t in (1, 0))
    return tp, fp, fn, tn


@given(CLASSES)
def test_matthews_is_that_of_the_confusion_matrix(pairs: list[tuple[int, int]]) -> None:
    predictions, labels = arrays(pairs)
    tp, fp, fn, tn = counts(predictions, labels)
    product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    expected = 100 * (tp * tn - fp * fn) / product**0.5 if product else 0.0
    result = score(TASKS["cola"], predictions, labels)
    assert result == pytest.approx({"matthews": expected, "score": expected})


@given(CLASSES)
def test_accuracy_and_f1_are_those_of_the_counts(pairs: list[tuple[int, int]]) -> None:
    predictions, labels = arrays(pairs)
    tp, fp, fn, tn = counts(predictions, labels)
    accuracy = 100 * (tp + tn) / len(pairs)
    f1 = 100 * 2 * tp / (2 * tp + fp + fn) if tp else 0.0
    expected = {"accuracy": accuracy, "f1": f1, "score": (accuracy + f1) / 2}
    assert score(TASKS["mrpc"], predictions, labels) == pytest.approx(expected)
    assert score(TASKS["sst2"], predictions, labels) == pytest.approx({"accuracy": accuracy, "score": accuracy})


@given(SCORES)
def test_pearson_and_spearman_are_those_of_values_and_ranks(pairs: list[tuple[int, int]]) -> None:
    predictions, labels = arrays(pairs, scale=10)
    constant = np.ptp(predictions) == 0 or np.ptp(labels) == 0
    pearson = 0.0 if constant else 100 * np.corrcoef(predictions, labels)[0, 1]
    spearman = 0.0 if constant else 100 * np.corrcoef(rankdata(predictions), rankdata(labels))[0, 1]
    result = score(TASKS["stsb"], predictions, labels)
    expected = {"pearson": pearson, "spearman": spearman, "score": (pearson + spearman) / 2}
    assert result == pytest.approx(expected, abs=1e-6)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_metrics_of_more_classes_are_means_over_classes(pairs: list[tuple[int, int]]) -> None:
    predictions, labels = arrays(pairs)
    each = []
    for one in {*predictions, *labels}:
        tp, fp, fn, _ = counts((predictions == one).astype(int), (labels == one).astype(int))
        each.append((tp / max(1, tp + fp), tp / max(1, tp + fn), 2 * tp / (2 * tp + fp + fn)))
    precision, recall, f1 = 100 * np.mean(each, axis=0)
    result = score(Task("any", ("text",), 3, ("precision", "recall", "f1")), predictions, labels)
    expected = {"precision": precision, "recall": recall, "f1": f1, "score": (precision + recall + f1) / 3}
    assert result == pytest.approx(expected)


@given(CLASSES)
def test_precision_and_recall_of_two_classes_are_those_of_the_second(pairs: list[tuple[int, int]]) -> None:
    predictions, labels = arrays(pairs)
    tp, fp, fn, _ = counts(predictions, labels)
    result = score(Task("any", ("text",), 2, ("precision", "recall")), predictions, labels)
    assert result["precision"] == pytest.approx(100 * tp / max(1, tp + fp))
    assert result["recall"] == pytest.approx(100 * tp / max(1, tp + fn))


def test_the_share_of_explained_variance() -> None:
    task, labels = Task("any", ("text",), 1, ("r_squared",)), np.array([0.0, 1.0, 2.0, 3.0])
    found = [score(task, predictions, labels)["score"] for predictions in (labels, labels[::-1], labels * 0 + 1.5)]
    assert found == pytest.approx([100, -300, 0])
    assert score(task, labels[:1], labels[:1])["score"] == 0


@pytest.mark.parametrize(("name", "outputs"), [("pearson", 2), ("accuracy", 1), ("mse", 1), ("roc", 2)])
def test_a_metric_of_another_kind_is_refused(name: str, outputs: int) -> None:
    with pytest.raises(InputError, match="metric"):
        score(Task("any", ("text",), outputs, (name,)), np.array([0, 1]), np.array([0, 1]))


@pytest.mark.parametrize("constant", [0.0, 2.7, -1e6])
@pytest.mark.parametrize("jitter", [0.0, 1e-16])
def test_constant_scores_have_no_correlation(constant: float, jitter: float) -> None:
    predictions = constant * (1 + jitter * np.arange(4))
    result = score(TASKS["stsb"], predictions, np.array([0.0, 1.0, 2.0, 5.0]))
    assert result == {"pearson": 0.0, "spearman": 0.0, "score": 0.0}


def test_float32_scores_keep_their_ranks() -> None:
    predictions = np.float32(2.5) + np.float32(1e-6) * np.arange(5, dtype=np.float32)
    result = score(TASKS["stsb"], predictions, np.arange(5, dtype=np.float32))
    assert result["spearman"] == pytest.approx(100)


@pytest.mark.parametrize(
    ("predictions", "labels"),
    [([], []), ([1, 0], [1]), ([[1.0, 0.0]], [1]), ([[1, 0]], [[1, 0]])],
)
def test_shapes_that_do_not_fit(predictions: list[Any], labels: list[Any]) -> None:
    with pytest.raises(InputError, match=r"rte cannot be scored: .* must both be \(examples,\)"):
        score(TASKS["rte"], np.array(predictions), np.array(labels))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_diverged_model_is_not_scored(value: float) -> None:
    with pytest.raises(InputError, match="stsb cannot be scored: its values contain NaN or infinity"):
        score(TASKS["stsb"], np.array([1.0, value]), np.array([1.0, 2.0]))


def test_the_majority_is_that_of_the_training_labels() -> None:
    train, labels = np.array([1, 1, 0]), np.array([1, 0, 0, 0])
    assert majority_score(TASKS["rte"], train, labels) == 25
    assert majority_score(TASKS["cola"], train, labels) == 0
    assert majority_score(TASKS["mrpc"], train, labels) == pytest.approx((25 + 40) / 2)
    assert majority_score(TASKS["mnli"], np.array([2, 2, 0, 1]), np.array([2, 2, 1, 2])) == 75
    assert majority_score(TASKS["stsb"], np.array([0.1, 0.2, 4.7]), np.array([0.0, 5.0, 2.5])) == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["rte", "stsb"])
def test_logits_that_are_no_numbers_are_no_answers(name: str, value: float) -> None:
    logits = np.zeros((3, TASKS[name].outputs))
    logits[1, 0] = value
    with pytest.raises(InputError, match=rf"^{name} cannot be scored: 1 of 3 examples have a logit that is NaN or inf"):
        answers(TASKS[name], logits)


def test_an_answer_is_the_largest_logit_or_the_score_itself() -> None:
    assert answers(TASKS["mnli"], np.array([[0.0, 2.0, 1.0], [-1.0, -2.0, -3.0]])).tolist() == [1, 0]
    assert answers(TASKS["stsb"], np.array([[2.5], [0.0]])).tolist() == [2.5, 0.0]


def test_no_score_is_made_of_logits_that_are_no_numbers() -> None:
    """In floats and between parties alike."""
    task, split = TASKS["rte"], Split(((1, 2),) * 4, ((0, 0),) * 4, torch.tensor([0, 1, 0, 1]))
    logits = np.eye(2)[[0, 1, 0, 1]]
    broken = np.where(np.arange(4)[:, None] == 2, np.nan, logits)
    encoded = EncodedTask(TaskData(task, split, split, 0, "sample", "f"), split)
    assert float_scores(encoded, logits)["float"] == compared(task, logits, logits, split.labels.numpy())["mpc"] == 100
    for scored in (
        lambda: float_scores(encoded, broken),
        lambda: compared(task, broken, logits, split.labels.numpy()),
    ):
        with pytest.raises(InputError, match="1 of 4 examples have a logit that is NaN or infinite"):
            scored()
