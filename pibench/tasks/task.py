"""The definition of a task, and its examples before tokenisation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

Generator = Callable[[Random, Any], tuple[str, ...]]
"""Makes the one or two texts of an example of the built-in sample, from random numbers and the example's label."""

OWN = "own"
"""The source of data that has no other name."""
TOP_SCORE = 5.0
"""The highest score in training, that of STS-B, for which the learning rates are set."""


@dataclass(frozen=True)
class Hub:
    """A data set on the Hugging Face hub: its id, its configuration, and the revision that is read."""

    dataset: str
    config: str
    revision: str


@dataclass(frozen=True)
class Own:
    """Data of one's own, as a TOML file describes it (see docs/own-data.md).

    Args:
        description: the TOML file.
        train: the file of training examples, or the split's name if the task is on the hub.
        validation: the same for the validation examples; None if they are cut from the training examples.
        share: the share of the examples that is cut for validation.
        seed: decides which examples are cut.
    """

    description: Path
    train: str
    validation: str | None
    share: float
    seed: int


@dataclass(frozen=True)
class Part:
    """A known part of a task's published data.

    ``fingerprint`` is that of its validation split, and ``what`` says in a few words what its examples are.
    """

    fingerprint: str
    what: str


@dataclass(frozen=True)
class Task:
    """A task of sentence classification or regression.

    It is registered under the entry-point group ``pibench.tasks``, or described in a TOML file.

    Args:
        name: the entry point's name, and that of the task's folder of parquet files.
        columns: its one or two text columns.
        outputs: the number of logits: that of the classes, or 1 for a regression of scores.
        metrics: the names of its metrics (see :mod:`pibench.tasks.metrics`); its score is their mean.
        validation: the split that is scored.
        suite: the name in records of its published data, as opposed to the built-in sample and to data of one's own.
        hub: its data set on the hub, if there is one.
        generate: makes the texts of its built-in sample; without it the task needs its own data.
        position: its position in tables; tasks of equal position are sorted by name.
        seeds: its seeds in the full matrix.
        examples: the numbers of training and validation examples of its published data, if known.
        fingerprints: those of its published training and validation split, see :attr:`Examples.fingerprint`; None
            where it is not known.
        parts: known parts of its published data, which bear the name of its suite.
        averaged: whether it counts in averages over tasks.
        label: the column of its labels.
        classes: its labels as its files have them, in the order of class ids; without them labels are class ids.
        scores: the lowest and the highest score of a regression.
        own: where its data is, for a task that a TOML file describes.
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
    fingerprints: tuple[str | None, str | None] = (None, None)
    parts: tuple[Part, ...] = ()
    averaged: bool = True
    label: str = "label"
    classes: tuple[str, ...] = ()
    scores: tuple[float, float] = (0.0, 5.0)
    own: Own | None = None

    @property
    def regression(self) -> bool:
        """Whether labels are scores instead of class ids."""
        return self.outputs == 1

    def scaled(self, labels: Sequence[float]) -> Sequence[float]:
        """Return scores scaled from their range to 0 to 5, on which models are trained; class ids are unchanged."""
        low, high = self.scores
        return [(score - low) * (TOP_SCORE / (high - low)) for score in labels] if self.regression else labels

    def class_name(self, label: float) -> str:
        """Return a class id as messages show it: the label in the files if it has a name, else the id."""
        return repr(self.classes[int(label)]) if self.classes else str(label)


@dataclass(frozen=True)
class Examples:
    """One split: a tuple of one or two texts and one label (class id, or score) an example."""

    texts: tuple[tuple[str, ...], ...]
    labels: tuple[float, ...] | tuple[int, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def only(self, indices: Sequence[int]) -> Examples:
        """Return the examples at ``indices``."""
        return Examples(tuple(self.texts[i] for i in indices), tuple(self.labels[i] for i in indices))

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits of a SHA-256 over texts and labels, whatever the order of rows and the white space.

        Labels count as float32, so that scores stored in more digits are the same ones.
        """
        rows = zip(self.texts, np.asarray(self.labels, np.float32).tolist(), strict=True)
        content = sorted([*(" ".join(text.split()) for text in texts), label] for texts, label in rows)
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    @property
    def empty(self) -> int:
        """The number of examples of which a text is empty or only white space."""
        return sum(not all(map(str.strip, texts)) for texts in self.texts)


@dataclass(frozen=True)
class RawTask:
    """A task with its texts.

    ``source`` is the task's suite, such as ``glue``, ``sample`` (built in), or ``own``, where the validation split is
    neither the published one nor a known part of it; ``train_whole`` is False where the training split of a suite's
    data is not the whole one.
    """

    task: Task
    train: Examples
    validation: Examples
    source: str
    train_whole: bool = True

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits of a SHA-256 over the texts and labels of both splits."""
        content = [[split.texts, split.labels] for split in (self.train, self.validation)]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    @cached_property
    def overlap(self) -> int:
        """The number of validation examples whose texts are also those of a training example."""
        seen = set(self.train.texts)
        return sum(texts in seen for texts in self.validation.texts)

    @cached_property
    def part(self) -> Part | None:
        """The known part of the published data that the validation split is, if it is one."""
        return next((part for part in self.task.parts if part.fingerprint == self.validation.fingerprint), None)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of scores must know of the data, one sentence each; empty if there is nothing."""
        name, train, validation, found = self.task.name, self.train, self.validation, []
        if not self.train_whole:
            whole = f" of {self.task.examples[0]}" if self.task.examples else ""
            found.append(f"{name}: the training split, {len(train)}{whole} examples, is not the whole published one.")
        if self.part:
            published = f" {self.task.examples[1]}" if self.task.examples else ""
            scored = f"{len(validation)} {self.part.what}"
            found.append(f"{name}: scored on {scored}, not on the{published} published validation examples.")
        if self.overlap:
            share = f"{self.overlap} of {len(validation)} validation examples"
            found.append(f"{name}: {share} have the texts of a training example.")
        lacking = [] if self.task.regression else sorted(set(range(self.task.outputs)) - set(train.labels))
        found += [f"{name}: no training example has the label {self.task.class_name(label)}." for label in lacking]
        for split, examples in (("training", train), ("validation", validation)):
            if examples.empty:
                found.append(f"{name}: {examples.empty} of {len(examples)} {split} examples have an empty text.")
        return tuple(found)
