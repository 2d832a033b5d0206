"""Studies: one module each, with the name of the study.

A module has ``tables(record) -> list[Table]``. It may have ``figure(plt, record)``, which returns a matplotlib figure,
and then ``FIGURE``, the name of its file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from pibench.results.notes import source
from pibench.results.records import Record
from pibench.results.render import Table


def with_modules(records: Iterable[Record]) -> Iterator[tuple[Record, ModuleType]]:
    """Yield each study among ``records`` that has a module, by name, with that module."""
    known = {module.name for module in iter_modules(__path__) if not module.name.startswith("_")}
    studies = {record["name"]: record for record in records if record["kind"] == "study"}
    for name in sorted(known & studies.keys()):
        yield studies[name], import_module(f"{__name__}.{name}")


def study_tables(records: Iterable[Record]) -> list[Table]:
    """Return the tables of each study among ``records``; a note under each says where the study was made."""
    return [
        replace(table, notes=[*table.notes, source(record)])
        for record, module in with_modules(records)
        for table in module.tables(record)
    ]
