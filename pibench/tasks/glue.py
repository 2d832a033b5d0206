"""The nine GLUE tasks and their texts: from a folder, from the Hugging Face hub, or a built-in sample."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pibench.errors import InputError, pick
from pibench.tasks import sources

log = logging.getLogger("pibench")

SOURCES = ("auto", "folder", "hub", "sample")


@dataclass(frozen=True)
class Task:
    """One GLUE task.

    ``columns`` are its one or two text columns, ``outputs`` the number of logits (1 for a regression),
    ``metrics`` the names of GLUE's own metrics, ``validation`` the name of the split that is scored.
    """

    name: str
    columns: tuple[str, ...]
    outputs: int
    metrics: tuple[str, ...]
    validation: str = "validation"

    @property
    def regression(self) -> bool:
        """Whether labels are scores (0 to 5) instead of class ids."""
        return self.outputs == 1


_PAIR = ("sentence1", "sentence2")
TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("cola", ("sentence",), 2, ("matthews",)),
        Task("sst2", ("sentence",), 2, ("accuracy",)),
        Task("mrpc", _PAIR, 2, ("accuracy", "f1")),
        Task("qqp", ("question1", "question2"), 2, ("accuracy", "f1")),
        Task("stsb", _PAIR, 1, ("pearson", "spearman")),
        Task("mnli", ("premise", "hypothesis"), 3, ("accuracy",), "validation_matched"),
        Task("qnli", ("question", "sentence"), 2, ("accuracy",)),
        Task("rte", _PAIR, 2, ("accuracy",)),
        Task("wnli", _PAIR, 2, ("accuracy",)),
    )
}


@dataclass(frozen=True)
class Examples:
    """One split: a tuple of one or two texts and one label (class id, or score 0 to 5) an example."""

    texts: tuple[tuple[str, ...], ...]
    labels: tuple[float, ...] | tuple[int, ...]

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class RawTask:
    """A task with its texts; ``source`` is ``glue`` (folder or hub) or ``sample`` (built in, not GLUE)."""

    task: Task
    train: Examples
    validation: Examples
    source: str

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits of a SHA-256 over the texts and labels of both splits."""
        content = [[split.texts, split.labels] for split in (self.train, self.validation)]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def get_task(name: str) -> Task:
    """Return the task called ``name``; raise ``InputError`` with the known names if there is none."""
    return TASKS[pick("task", name, TASKS)]


def load(name: str, glue_dir: Path | None = None, source: str = "auto") -> RawTask:
    """Load both labelled splits of a task.

    ``source`` is ``folder`` (``glue_dir``, else the environment variable ``PIBENCH_GLUE_DIR``), ``hub``,
    ``sample``, or ``auto``: the folder if one is named, else the hub, else the sample with a logged warning.
    The folder holds ``<task>/train.parquet`` and ``<task>/validation.parquet`` (mnli:
    ``validation_matched.parquet``) with the column names of the hub.

    Raises:
        InputError: an unknown name or source, a hub out of reach (``source="hub"``), or data that is missing,
            unreadable or malformed.
    """
    task = get_task(name)
    pick("source", source, SOURCES)
    root = glue_dir or os.environ.get("PIBENCH_GLUE_DIR")
    if source == "folder" and not root:
        raise InputError("no GLUE folder is named: pass one, or set PIBENCH_GLUE_DIR.")
    if source == "sample":
        return _sample(task)
    if source == "folder" or (source == "auto" and root):
        return _checked(task, sources.folder(task, Path(str(root))))
    try:
        tables = sources.hub(task)
    except sources.HubUnavailable as error:
        if source == "hub":
            raise
        log.warning("%s: using the built-in sample, which is not GLUE (%s)", name, error)
        return _sample(task)
    return _checked(task, tables)


def _checked(task: Task, tables: sources.Tables) -> RawTask:
    train, validation = (Examples(*sources.rows(task, table, where)) for where, table in tables.items())
    return RawTask(task, train, validation, "glue")


def _sample(task: Task) -> RawTask:
    from pibench.tasks.sample import sample  # it builds on the types above

    return RawTask(task, *sample(task), "sample")
