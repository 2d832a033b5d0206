"""From texts to token ids: the splits that methods and the scorer work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pibench.errors import InputError
from pibench.tasks.data import Split, TaskData
from pibench.tasks.task import Examples, RawTask, Task

SELECTION_SHARE = 0.1
SELECTION_MOST = 1000


@dataclass(frozen=True)
class EncodedTask:
    """A tokenised task. ``data`` is what methods see; ``validation`` is only for the scorer."""

    data: TaskData
    validation: Split


def encode_task(raw: RawTask, tokenizer: Any, seq_len: int, seed: int = 0, most: int = SELECTION_MOST) -> EncodedTask:
    """Tokenise to at most ``seq_len`` tokens and cut a selection split off the training split by ``seed``.

    The selection split takes a tenth of the training examples, at most ``most``; examples with equal texts stay
    together. Scores are scaled from their range to 0 to 5.

    Raises:
        InputError: too few different training examples to cut a selection split from, or a negative seed.
    """
    if seed < 0:
        raise InputError(f"seed {seed} is negative: give 0 or more")
    count = len(raw.train)
    held_out = min(most, int(count * SELECTION_SHARE))
    if held_out == 0:
        raise InputError(
            f"task {raw.task.name!r} has {count} training examples; at least 10 are needed to cut a selection split"
        )
    order = np.random.default_rng(seed).permutation(count).tolist()
    chosen = _selected(raw.train, order, held_out)
    if not chosen:
        raise InputError(f"too many training examples of {raw.task.name} have equal texts: remove duplicates")
    left = set(order).difference(chosen)
    train = _tokenise(raw.train.only([index for index in order if index in left]), raw.task, tokenizer, seq_len)
    selection = _tokenise(raw.train.only(chosen), raw.task, tokenizer, seq_len)
    about = raw.source, raw.fingerprint, seq_len, raw.notes
    data = TaskData(raw.task, train, selection, tokenizer.pad_token_id, *about)
    return EncodedTask(data, _tokenise(raw.validation, raw.task, tokenizer, seq_len))


def _selected(examples: Examples, order: Sequence[int], most: int) -> list[int]:
    """Return the first examples in ``order``, at most ``most``, none of which has the texts of one that is left out."""
    equal: dict[tuple[str, ...], list[int]] = {}
    for index in order:
        equal.setdefault(examples.texts[index], []).append(index)
    chosen: list[int] = []
    for indices in equal.values():
        if len(chosen) + len(indices) <= most:
            chosen += indices
    return chosen


def _tokenise(examples: Examples, task: Task, tokenizer: Any, seq_len: int) -> Split:
    columns = [list(column) for column in zip(*examples.texts, strict=True)]
    encoded = tokenizer(*columns, truncation=True, max_length=seq_len, return_token_type_ids=True)
    labels = torch.tensor(task.scaled(examples.labels), dtype=torch.float32 if task.regression else torch.int64)
    return Split(tuple(map(tuple, encoded["input_ids"])), tuple(map(tuple, encoded["token_type_ids"])), labels)
