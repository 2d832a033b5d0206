import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

from pibench.errors import InputError
from pibench.tasks import sample as sampling
from pibench.tasks.load import load
from pibench.tasks.metrics import majority_score, score
from pibench.tasks.registry import TASKS
from pibench.tasks.sample import sample
from pibench.tasks.task import Task

ALL = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)


@ALL
def test_it_has_the_shape_of_the_task(task: Task) -> None:
    train, validation = sample(task, train=60, validation=30)
    assert (len(train), len(validation)) == (60, 30)
    for split in (train, validation):
        assert len(split.labels) == len(split)
        assert all(len(texts) == len(task.columns) and all(texts) for texts in split.texts)
        assert all(0 <= label <= (5 if task.regression else task.outputs - 1) for label in split.labels)


@ALL
def test_every_slot_of_the_grammar_is_filled(task: Task) -> None:
    words = " ".join(text for split in sample(task) for texts in split.texts for text in texts)
    assert not set("{}_") & set(words)
    assert "  " not in words


@ALL
def test_no_text_occurs_twice(task: Task) -> None:
    train, validation = sample(task)
    assert len({*train.texts, *validation.texts}) == 512 + 128


@ALL
def test_labels_are_balanced(task: Task) -> None:
    for split in sample(task):
        counts = Counter(split.labels).values()
        assert len(counts) == (26 if task.regression else task.outputs)
        assert max(counts) - min(counts) <= 1


@ALL
def test_a_seed_decides_everything(task: Task) -> None:
    assert sample(task, seed=3, train=40, validation=8) == sample(task, seed=3, train=40, validation=8)
    assert sample(task, seed=3, train=40, validation=8) != sample(task, seed=4, train=40, validation=8)


def test_it_is_the_same_in_every_process() -> None:
    program = "from pibench.tasks.load import load; print(load('mnli', source='sample').fingerprint)"
    root = Path(__file__).parents[1]
    other = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == load("mnli", source="sample").fingerprint


def test_a_small_part_of_the_labels_is_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    def share_of_bad_english_called_good() -> float:
        train, _ = sample(TASKS["cola"], train=4000, validation=0)
        good = [text for (text,), label in zip(train.texts, train.labels, strict=True) if label]
        return sum(text.startswith("the the ") for text in good) / len(good)

    assert 0 < share_of_bad_english_called_good() < sampling.NOISE
    monkeypatch.setattr(sampling, "NOISE", 0.0)
    assert share_of_bad_english_called_good() == 0


def test_a_grammar_that_is_exhausted_says_so() -> None:
    few = replace(TASKS["cola"], generate=lambda rng, label: (str(rng.randrange(9)),))
    with pytest.raises(InputError, match="grammar of cola is exhausted: ask for fewer examples"):
        sample(few)


def test_scores_are_spread_over_their_own_range() -> None:
    task = Task("any", ("text",), 1, ("pearson",), scores=(-1, 1), generate=lambda rng, label: (str(rng.random()),))
    train, _ = sample(task, train=52, validation=0)
    assert (min(train.labels), max(train.labels), len(set(train.labels))) == (-1, 1, 26)


def test_a_task_without_a_generator_says_so() -> None:
    with pytest.raises(InputError, match="task 'cola' has no built-in sample"):
        sample(replace(TASKS["cola"], generate=None))


@ALL
def test_it_is_learnable_but_not_trivial(task: Task) -> None:
    """A bag of words beats the majority by far and stays away from perfect."""
    train, validation = sample(task)
    counts = CountVectorizer(token_pattern=r"\S+")
    marked = [
        [" ".join(f"{i}_{word}" for i, text in enumerate(texts) for word in text.split()) for texts in s.texts]
        for s in (train, validation)
    ]
    model = Ridge() if task.regression else LogisticRegression(max_iter=500)
    model.fit(counts.fit_transform(marked[0]), train.labels)
    labels = np.array(validation.labels)
    reached = score(task, model.predict(counts.transform(marked[1])), labels)["score"]
    base = majority_score(task, np.array(train.labels), labels)
    assert base + 12 < reached < 92
