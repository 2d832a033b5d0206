"""What is cut off the training split where texts are equal, and how scores are scaled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pibench.errors import InputError
from pibench.tasks.encode import encode_task
from pibench.tasks.glue import STSB
from pibench.tasks.task import Examples, RawTask, Task


class Letters:
    """A tokenizer that makes each text one token, its number."""

    pad_token_id = 0

    def __call__(self, texts: list[str], **options: Any) -> dict[str, list[list[int]]]:
        return {"input_ids": [[int(text)] for text in texts], "token_type_ids": [[0]] * len(texts)}


def raw(texts: list[int], labels: list[float] | None = None, task: Task | None = None) -> RawTask:
    examples = Examples(tuple((str(text),) for text in texts), tuple(labels or [text % 2 for text in texts]))
    return RawTask(task or Task("any", ("text",), 2, ("accuracy",)), examples, examples, "own")


def numbers(rows: tuple[tuple[int, ...], ...]) -> list[int]:
    return [row[0] for row in rows]


@pytest.mark.parametrize("seed", range(5))
def test_equal_texts_are_on_one_side(seed: int) -> None:
    texts = [number // 3 for number in range(150)]
    data = encode_task(raw(texts), Letters(), 8, seed).data
    train, selection = numbers(data.train.input_ids), numbers(data.selection.input_ids)
    assert sorted(train + selection) == texts
    assert not set(train) & set(selection)
    assert len(selection) == 15


@pytest.mark.parametrize("seed", range(3))
def test_without_equal_texts_the_cut_is_the_first_part_of_a_permutation(seed: int) -> None:
    data = encode_task(raw(list(range(50))), Letters(), 8, seed).data
    order = np.random.default_rng(seed).permutation(50).tolist()
    assert (numbers(data.selection.input_ids), numbers(data.train.input_ids)) == (order[:5], order[5:])


def test_a_text_that_is_in_most_examples_stays_in_training() -> None:
    data = encode_task(raw([0] * 80 + list(range(1, 21))), Letters(), 8).data
    assert 0 not in numbers(data.selection.input_ids)
    assert len(data.selection) == 10
    with pytest.raises(InputError, match="too many training examples of any have equal texts: remove duplicates"):
        encode_task(raw([0] * 50), Letters(), 8)


def test_scores_are_scaled_to_those_of_stsb() -> None:
    labels = [float(index % 11) * 10 - 50 for index in range(40)]
    task = Task("any", ("text",), 1, ("pearson",), scores=(-50, 50))
    found = encode_task(raw(list(range(40)), labels, task), Letters(), 8).validation.labels
    assert found.tolist() == pytest.approx([(label + 50) / 20 for label in labels])
    own = [0.1 * (index % 50) for index in range(40)]
    kept = encode_task(raw(list(range(40)), own, STSB), Letters(), 8).validation.labels
    assert kept.tolist() == np.float32(own).tolist()
