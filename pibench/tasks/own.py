"""Data of one's own: read from files or the hub as a TOML file describes it, checked, and split."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from sklearn.model_selection import train_test_split

from pibench.errors import InputError, pick
from pibench.tasks import sources
from pibench.tasks.files import read
from pibench.tasks.task import Examples, Own, RawTask, Task

_STRATA = 10
"""Parts of a range of scores that are split alike."""

_INTEGER = re.compile("-?[0-9]+")


def load_own(task: Task, own: Own) -> RawTask:
    """Load the data of a task that a TOML file describes.

    Raises:
        InputError: data is missing, unreadable, malformed, too little to split, or has a class only in validation.
    """
    splits = [own.train] if own.validation is None else [own.train, own.validation]
    tables = sources.hub(task, splits) if task.hub else {name: read(Path(name)) for name in splits}
    task = _with_classes(task, tables, own)
    found = [_examples(task, table, where) for where, table in tables.items()]
    train, validation = found if own.validation else cut(task, found[0], own.share, own.seed)
    if not task.regression and (lacking := set(validation.labels) - set(train.labels)):
        raise InputError(
            f"no training example of {task.name} has the label {task.class_name(min(lacking))}, which validation "
            "examples have: add some, or remove those"
        )
    return RawTask(task, train, validation, task.suite)


def _with_classes(task: Task, tables: sources.Tables, own: Own) -> Task:
    """Return the task with its classes, which are those of the training examples in sorted order unless named."""
    where, table = next(iter(tables.items()))
    if task.regression or task.classes or table.column_names.count(task.label) != 1:
        return task
    classes = in_sorted_order(label_texts(table[task.label]))
    if len(classes) != task.outputs:
        named = ", ".join(classes[:_STRATA]) + (", ..." if len(classes) > _STRATA else "")
        raise InputError(f"{where} has {len(classes)} classes ({named}), and {own.description} says {task.outputs}")
    return replace(task, classes=classes)


def in_sorted_order(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the distinct labels that are not empty, sorted as numbers if all are integers, and else as texts."""
    distinct = sorted({label for label in labels if label})
    return tuple(sorted(distinct, key=int) if all(_INTEGER.fullmatch(label) for label in distinct) else distinct)


def label_texts(column: pa.ChunkedArray) -> list[str]:
    """Return labels as texts: integers without a point, true and false as JSON writes them, a missing one empty."""
    return ["" if value is None else _text(value) for value in column.to_pylist()]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _examples(task: Task, table: pa.Table, where: str) -> Examples:
    if table.column_names.count(task.label) == 1:
        labels = label_texts(table[task.label])
        if "" in labels:
            raise InputError(f"row {labels.index('')} of {where} has no label: add it, or remove the row")
        numbers = _scores(labels, where) if task.regression else _ids(task, labels, where)
        place = table.column_names.index(task.label)
        table = table.set_column(place, task.label, pa.chunked_array([pa.array(numbers)]))
    return Examples(*sources.rows(task, table, where))


def _ids(task: Task, labels: Sequence[str], where: str) -> list[int]:
    ids = {name: index for index, name in enumerate(task.classes)}
    for row, label in enumerate(labels):
        if label not in ids:
            pick(f"label (row {row} of {where})", label, ids)
    return [ids[label] for label in labels]


def _scores(labels: Sequence[str], where: str) -> list[float]:
    scores = []
    for row, label in enumerate(labels):
        try:
            scores.append(float(label))
        except ValueError:
            raise InputError(f"the label in row {row} of {where} is {label!r}, not a number: correct it") from None
    return scores


def cut(task: Task, examples: Examples, share: float, seed: int) -> tuple[Examples, Examples]:
    """Cut a share of the examples off for validation, and return the training and the validation examples.

    The share of each class is the same in both, and so is the distribution of scores. Examples with equal texts go to
    one side. What is cut depends on the examples and ``seed``, and not on the order of rows.

    Raises:
        InputError: there are too few different texts.
    """
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, texts in enumerate(examples.texts):
        groups.setdefault(texts, []).append(index)
    different = sorted(groups)
    labels = [min(examples.labels[index] for index in groups[texts]) for texts in different]
    held_out = round(share * len(different))
    strata = _strata(labels, held_out) if task.regression else labels
    fewest, count = min(Counter(strata).items(), key=lambda item: item[1])
    if count < 2 or min(held_out, len(different) - held_out) < len(set(strata)):
        what = "scores" if task.regression else f"the label {task.class_name(fewest)}"
        raise InputError(
            f"{task.name} has too few different texts to cut {share:g} of them for validation ({count} with {what}, "
            f"{len(different)} in all): add examples, or name a validation file"
        )
    sides = train_test_split(different, test_size=held_out, random_state=seed, stratify=strata)
    train, validation = (sorted(index for texts in side for index in groups[texts]) for side in sides)
    return examples.only(train), examples.only(validation)


def _strata(scores: Sequence[float], held_out: int) -> list[int]:
    """Return which of about ten equal parts each score is in, fewer where ``held_out`` cannot hold one of each."""
    count = len(scores)
    parts = max(1, min(_STRATA, held_out, count - held_out, count // 2))
    ranks = np.argsort(np.argsort(scores, kind="stable"), kind="stable")
    return (ranks * parts // count).tolist()
