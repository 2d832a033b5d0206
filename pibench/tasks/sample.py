"""A built-in stand-in for a task's data, so that it runs without a download.

Scores on it show that the machinery works, and nothing about the task.
"""

from __future__ import annotations

from collections.abc import Container
from random import Random

from pibench.errors import InputError
from pibench.tasks.task import Examples, Generator, Task

NOISE = 0.04
"""Share of examples whose text is made for a label drawn at random, not for the one they carry."""


def sample(task: Task, seed: int = 0, train: int = 512, validation: int = 128) -> tuple[Examples, Examples]:
    """Generate a train and a validation split, deterministic in the arguments.

    No text occurs twice in the two splits together. All classes have the same number of examples (within one), and
    scores are spread evenly over their range. In a share ``NOISE`` of the examples the text is made for a label
    drawn at random.

    Raises:
        InputError: the task has no sample, or its generator cannot make that many different texts.
    """
    if task.generate is None:
        raise InputError(f"task {task.name!r} has no built-in sample: name a folder with its data")
    rng = Random(f"{task.name} {seed}")
    low, high = task.scores
    grades = [low + (high - low) * step / 25 for step in range(26)] if task.regression else list(range(task.outputs))
    labels = [grades[i % len(grades)] for i in range(train + validation)]
    texts: dict[tuple[str, ...], None] = {}
    for label in labels:
        meant = rng.choice(grades) if rng.random() < NOISE else label
        texts[_fresh(rng, task.name, task.generate, meant, texts)] = None
    rows = list(texts)
    return (
        Examples(tuple(rows[:train]), tuple(labels[:train])),
        Examples(tuple(rows[train:]), tuple(labels[train:])),
    )


def _fresh(
    rng: Random, name: str, generate: Generator, label: float, taken: Container[tuple[str, ...]]
) -> tuple[str, ...]:
    for _ in range(100):
        texts = generate(rng, label)
        if texts not in taken:
            return texts
    raise InputError(f"the sample grammar of {name} is exhausted: ask for fewer examples.")
