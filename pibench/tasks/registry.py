"""Tasks by name, from the entry-point group ``pibench.tasks``."""

from __future__ import annotations

from collections.abc import Iterable

from pibench.plugins import Registry
from pibench.tasks.task import Task

TASKS: Registry[Task] = Registry("task", "pibench.tasks", Task, named=lambda task: task.name)


def in_order(names: Iterable[str]) -> list[str]:
    """Return each name once, in the order of tables; names of no installed task come last, sorted."""
    known = {name: TASKS[name].position if name in TASKS else None for name in names}
    return sorted(known, key=lambda name: ((position := known[name]) is None, position or 0, name))
