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
from pibench.tasks.own import load_own
from pibench.tasks.registry import TASKS
from pibench.tasks.sample import sample
from pibench.tasks.task import OWN, Examples, Own, RawTask, Task

log = logging.getLogger("pibench")

SOURCES = ("auto", "folder", "hub", "sample")
_SEALED = ContextVar("sealed", default=False)


def load(name: str, glue_dir: Path | None = None, source: str = "auto") -> RawTask:
    """Load both labelled splits of a task.

    ``source`` is ``folder`` (``glue_dir``, else the environment variable ``PIBENCH_GLUE_DIR``), ``hub``,
    ``sample``, or ``auto``: the folder if one is named, else the hub, else the sample with a logged warning.
    The folder holds ``<task>/train.parquet`` and ``<task>/validation.parquet`` (mnli:
    ``validation_matched.parquet``) with the column names of the hub. Where the task's data is on the hub, a folder's
    bears the name of the task's suite only if the validation split is the published one or a known part of it, by its
    fingerprint. A task that a TOML file describes has its data where the file says. What a reader of scores must know
    of the data (:attr:`RawTask.notes`) is logged as warnings.

    Raises:
        InputError: the name or source is unknown, the hub is out of reach (``source="hub"``), data is missing,
            unreadable, malformed or of one class, or :func:`sealed` forbids loading.
    """
    if _SEALED.get():
        raise InputError("a method cannot load a task, since the validation split must not be seen: use the data given")
    task = TASKS[name]
    pick("source", source, SOURCES)
    if task.own:
        return _noted(_of_description(task, task.own, source))
    root = glue_dir or os.environ.get("PIBENCH_GLUE_DIR")
    if source == "folder" and not root:
        raise InputError("no GLUE folder is named: pass one, or set PIBENCH_GLUE_DIR.")
    if source == "sample":
        return _sample(task)
    if source == "folder" or (source == "auto" and root):
        return _of_folder(task, Path(str(root)))
    try:
        tables = sources.hub(task, ("train", task.validation))
    except sources.HubUnavailable as error:
        if source == "hub" or task.generate is None:
            raise
        log.warning("%s: using the built-in sample, which is not GLUE (%s)", name, error)
        return _sample(task)
    return _noted(RawTask(task, *_splits(task, tables), task.suite))


@contextmanager
def sealed() -> Iterator[None]:
    """Forbid loading tasks inside: a method may look only at the data that it is given."""
    token = _SEALED.set(True)
    try:
        yield
    finally:
        _SEALED.reset(token)


def sizes(name: str) -> tuple[int, int] | None:
    """Return the numbers of training and validation examples, those of one's own data by loading it.

    None where they are not known.
    """
    task = TASKS[name]
    if task.own is None:
        return task.examples
    raw = load(name)
    return len(raw.train), len(raw.validation)


def _of_description(task: Task, own: Own, source: str) -> RawTask:
    described = "hub" if task.hub else "folder"
    if source not in ("auto", described):
        raise InputError(f"{own.description} says where the data of {task.name} is: leave out --data {source}")
    return load_own(task, own)


def _of_folder(task: Task, root: Path) -> RawTask:
    train, validation = _splits(task, sources.folder(task, root))
    published_train, published = task.fingerprints
    known = {published, *(part.fingerprint for part in task.parts)}
    if task.hub and validation.fingerprint not in known:
        return _noted(RawTask(task, train, validation, OWN))
    count = task.examples[0] if task.examples else len(train)
    whole = len(train) == count and train.fingerprint == (published_train or train.fingerprint)
    return _noted(RawTask(task, train, validation, task.suite, whole))


def _splits(task: Task, tables: sources.Tables) -> tuple[Examples, Examples]:
    train, validation = (Examples(*sources.rows(task, table, where)) for where, table in tables.items())
    return train, validation


def _noted(raw: RawTask) -> RawTask:
    for note in raw.notes:
        log.warning("%s", note)
    return raw


def _sample(task: Task) -> RawTask:
    return RawTask(task, *sample(task), "sample")
