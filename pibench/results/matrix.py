"""What the full matrix has, and what it lacks: seeds by method and task, and the hours that they took."""

from __future__ import annotations

from collections.abc import Iterable

from pibench.results import notes
from pibench.results.join import Row, Study, join
from pibench.results.records import Record
from pibench.results.render import Cell, Column, Table
from pibench.tasks.registry import TASKS

_SECONDS_AN_HOUR = 3600


def matrix(records: Iterable[Record]) -> Table:
    """Return one row per method and variant: the seeds of each task, what is missing, and hours."""
    study = join(records)
    wanted = {task: TASKS[task].seeds if task in TASKS else 1 for task in study.tasks}
    rows: list[list[Cell]] = []
    for row in study.rows:
        lacking = {task: _lacking(study, row, task, count) for task, count in wanted.items()}
        missing = sum(map(len, lacking.values()))
        hours = sum(record["seconds_total"] for record in study.of(row)) / _SECONDS_AN_HOUR
        rows.append([*row, *(_words(lacking[task], wanted[task]) for task in study.tasks), missing, hours])
    columns = [
        Column("method", "method"),
        Column("variant", "variant"),
        *(Column(task, f"{task} ({count} wanted)") for task, count in wanted.items()),
        Column("missing", "cells missing", 0),
        Column("hours", "hours", 2),
    ]
    spent = sum(record["seconds_total"] for record in study.records) / _SECONDS_AN_HOUR
    lacks = sum(int(row[-2] or 0) for row in rows)
    about = [
        f"{len(rows) * sum(wanted.values())} cells are wanted, and {lacks} of them are missing: never measured, they "
        "stand for nothing.",
        f"All records, costs too, took {spent:.1f} machine-hours; tuning a dense model counts where it was first "
        "needed, and a search remembers what an earlier cell tried.",
        *notes.provenance(study),
    ]
    return Table("matrix", notes.title(study, "What was measured, and what is missing"), columns, rows, about)


def _lacking(study: Study, row: Row, task: str, count: int) -> list[int]:
    there = {record["seed"] for record in study.of(row, task) if record["status"] in ("ok", "skipped")}
    return [seed for seed in range(count) if seed not in there]


def _words(lacking: list[int], count: int) -> str:
    if not lacking:
        return "all"
    return "missing" if len(lacking) == count else f"seed {', '.join(map(str, lacking))} missing"
