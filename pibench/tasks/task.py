"""The definition of a task, and its examples before tokenisation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import Any

Generator = Callable[[Random, Any], tuple[str, ...]]
"""Makes the one or two texts of an example of the built-in sample, from random numbers and the example's label."""


@dataclass(frozen=True)
class Hub:
    """A data set on the Hugging Face hub: its id, its configuration, and the revision that is read."""

    dataset: str
    config: str
    revision: str


@dataclass(frozen=True)
class Task:
    """A task of sentence classification or regression, registered under the entry-point group ``pibench.tasks``.

    Args:
        name: the entry point's name, and that of the task's folder of parquet files.
        columns: its one or two text columns; labels are in the column ``label``.
        outputs: the number of logits, 1 for a regression of scores from 0 to 5.
        metrics: the names of its metrics (see :mod:`pibench.tasks.metrics`); its score is their mean.
        validation: the split that is scored.
        suite: the name in records of its own data, as opposed to the built-in sample.
        hub: its data set on the hub, if there is one.
        generate: makes the texts of its built-in sample; without it the task needs its own data.
        position: its position in tables; tasks of equal position are sorted by name.
        seeds: its seeds in the full matrix.
        examples: the numbers of training and validation examples of its own data, if known.
    """

    name: str
    columns: tuple[str, ...]
    outputs: int
    metrics: tuple[str, ...]
    validation: str = "validation"
    suite: str = "other"
    hub: Hub | None = None
    generate: Generator | None = field(default=None, compare=False)
    position: int = 1000
    seeds: int = 1
    examples: tuple[int, int] | None = None

    @property
    def regression(self) -> bool:
        """Whether labels are scores (0 to 5) instead of class ids."""
        return self.outputs == 1


@dataclass(frozen=True)
class Examples:
    """One split: a tuple of one or two texts and one label (class id, or score 0 to 5) an example."""

    texts: tuple[tuple[str, ...], ...]
    labels: tuple[float, ...] | tuple[int, ...]

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class RawTask:
    """A task with its texts; ``source`` is the task's suite, such as ``glue``, or ``sample`` (built in)."""

    task: Task
    train: Examples
    validation: Examples
    source: str

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits of a SHA-256 over the texts and labels of both splits."""
        content = [[split.texts, split.labels] for split in (self.train, self.validation)]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
