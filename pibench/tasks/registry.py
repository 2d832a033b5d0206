"""Tasks by name, from the entry-point group ``pibench.tasks`` and from TOML files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pibench.errors import InputError, pick
from pibench.plugins import Registry, entries
from pibench.tasks.task import Task

_KIND, _GROUP = "task", "pibench.tasks"
FOLDER = "PIBENCH_TASKS_DIR"
"""The environment variable that names a folder of TOML files, each of which describes a task."""


class Described(Mapping[str, Task]):
    """The tasks of TOML files: those that were added, and those in the folder that :data:`FOLDER` names."""

    def __init__(self) -> None:
        self._read: dict[Path, Task] = {}

    def add(self, path: Path) -> str:
        """Add the task that a TOML file describes, and return its name.

        Raises:
            InputError: the file is not valid, or another task has that name.
        """
        from pibench.tasks.describe import describe

        if path not in self._read:
            task = describe(path)
            others = {entry.value for name, entry in entries(_KIND, _GROUP).items() if name == task.name}
            others |= {
                str(other)
                for other, found in self._read.items()
                if found.name == task.name and other.resolve() != path.resolve()
            }
            if others:
                raise InputError(
                    f"the task {task.name!r} of {path} has the name of another, of {others.pop()}: rename one"
                )
            self._read[path] = task
        return self._read[path].name

    def __getitem__(self, name: str) -> Task:
        return self._tasks()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks())

    def __len__(self) -> int:
        return len(self._tasks())

    def _tasks(self) -> dict[str, Task]:
        if folder := os.environ.get(FOLDER):
            if not Path(folder).is_dir():
                raise InputError(f"the folder {folder} that {FOLDER} names does not exist: correct or unset it")
            for path in sorted(Path(folder).glob("*.toml")):
                self.add(path)
        return {task.name: task for task in self._read.values()}


DESCRIBED = Described()
TASKS: Registry[Task] = Registry(_KIND, _GROUP, Task, named=lambda task: task.name, own=DESCRIBED)


def task_name(asked: str) -> str:
    """Return the name of a task that is asked for by its name or by the path of the TOML file that describes it.

    Raises:
        InputError: there is no such task, or the file is not valid.
    """
    return DESCRIBED.add(Path(asked)) if asked.endswith(".toml") else pick(_KIND, asked, TASKS)


def task_argument(name: str) -> str:
    """Return how to ask another process for a task: by its file if it is described in one, and else by its name."""
    own = DESCRIBED[name].own if name in DESCRIBED else None
    return str(own.description) if own else name


def in_order(names: Iterable[str]) -> list[str]:
    """Return each name once, in the order of tables; names of no installed task come last, sorted."""
    known = {name: TASKS[name].position if name in TASKS else None for name in names}
    return sorted(known, key=lambda name: ((position := known[name]) is None, position or 0, name))
