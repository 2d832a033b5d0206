"""A task's texts: from a folder, from the Hugging Face hub, or the built-in sample."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from pibench.errors import InputError, pick
from pibench.tasks import sources
from pibench.tasks.registry import TASKS
from pibench.tasks.sample import sample
from pibench.tasks.task import Examples, RawTask, Task

log = logging.getLogger("pibench")

SOURCES = ("auto", "folder", "hub", "sample")
_SEALED = ContextVar("sealed", default=False)


def load(name: str, glue_dir: Path | None = None, source: str = "auto") -> RawTask:
    """Load both labelled splits of a task.

    ``source`` is ``folder`` (``glue_dir``, else the environment variable ``PIBENCH_GLUE_DIR``), ``hub``,
    ``sample``, or ``auto``: the folder if one is named, else the hub, else the sample with a logged warning.
    The folder holds ``<task>/train.parquet`` and ``<task>/validation.parquet`` (mnli:
    ``validation_matched.parquet``) with the column names of the hub.

    Raises:
        InputError: the name or source is unknown, the hub is out of reach (``source="hub"``), data is missing,
            unreadable or malformed, or :func:`sealed` forbids loading.
    """
    if _SEALED.get():
        raise InputError("a method cannot load a task, since the validation split must not be seen: use the data given")
    task = TASKS[name]
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
        if source == "hub" or task.generate is None:
            raise
        log.warning("%s: using the built-in sample, which is not GLUE (%s)", name, error)
        return _sample(task)
    return _checked(task, tables)


@contextmanager
def sealed() -> Iterator[None]:
    """Forbid loading tasks inside: a method may look only at the data that it is given."""
    token = _SEALED.set(True)
    try:
        yield
    finally:
        _SEALED.reset(token)


def _checked(task: Task, tables: sources.Tables) -> RawTask:
    train, validation = (Examples(*sources.rows(task, table, where)) for where, table in tables.items())
    return RawTask(task, train, validation, task.suite)


def _sample(task: Task) -> RawTask:
    return RawTask(task, *sample(task), "sample")
