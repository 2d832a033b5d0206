"""Tokenised examples that a method may look at, without the validation split."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from pibench.disk import Cache
from pibench.tasks.task import Task


@dataclass(frozen=True)
class Split:
    """Tokenised examples: unpadded token and segment ids, and one label each (int64, or float32 for scores)."""

    input_ids: tuple[tuple[int, ...], ...]
    token_type_ids: tuple[tuple[int, ...], ...]
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.input_ids)

    def first(self, count: int) -> Split:
        """Return the first ``count`` examples."""
        return Split(self.input_ids[:count], self.token_type_ids[:count], self.labels[:count])


@dataclass(frozen=True)
class TaskData:
    """What a method may look at: the training split, and a selection split cut from train for every choice.

    The labels of a regression are its scores, scaled to 0 to 5. ``source`` is the task's suite, such as ``glue``, or
    ``sample``, or ``own``; ``fingerprint`` is a hash of the texts and labels behind the splits, and ``notes`` are
    sentences on them (see :class:`pibench.tasks.task.RawTask`). Costs are measured at ``seq_len`` tokens. ``cache``
    keeps what a method need not compute twice.
    """

    task: Task
    train: Split
    selection: Split
    pad_id: int
    source: str
    fingerprint: str
    seq_len: int = 128
    notes: tuple[str, ...] = ()
    cache: Cache = field(default_factory=Cache, compare=False)
