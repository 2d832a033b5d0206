"""Which cells of the full matrix are measured and which are missing: seeds by method and task, and their hours."""

from __future__ import annotations

import pandas as pd

from pibench.results import notes
from pibench.results.evidence import Evidence
from pibench.results.render import ROW, Column, Table
from pibench.tasks.registry import TASKS

_SECONDS_AN_HOUR = 3600


def matrix(evidence: Evidence) -> Table:
    """Return one row per method and variant: the seeds of each task, what is missing, and hours."""
    wanted = {task: TASKS[task].seeds if task in TASKS else 1 for task in evidence.tasks}
    lines, rows = evidence.accuracy, evidence.rows
    done = lines[lines["status"].isin(["ok", "skipped"])]
    there = set(done[["row", "task", "seed"]].itertuples(index=False, name=None))
    lacking = pd.DataFrame(
        {
            task: [[seed for seed in range(count) if (row, task, seed) not in there] for row in rows.index]
            for task, count in wanted.items()
        },
        index=rows.index,
        dtype=object,
    )
    missing = lacking.map(len).sum(axis="columns").astype(int)
    words = {task: [_words(seeds, count) for seeds in lacking[task]] for task, count in wanted.items()}
    hours = lines.groupby("row", observed=True)["seconds_total"].sum() / _SECONDS_AN_HOUR
    columns = [
        *ROW,
        *(Column(task, f"{task} ({count} wanted)") for task, count in wanted.items()),
        Column("missing", "cells missing", 0),
        Column("hours", "hours", 2),
    ]
    spent = sum(record["seconds_total"] for record in evidence.records) / _SECONDS_AN_HOUR
    about = [
        f"{len(rows) * sum(wanted.values())} cells make the full matrix. {missing.sum()} of them are missing: not "
        "measured, or failed.",
        f"All records, including costs, took {spent:.1f} machine-hours. The tuning of a dense model counts in "
        "the cell that needed it first, and a search reuses what an earlier cell tried.",
        *notes.provenance(evidence),
    ]
    title = notes.title(evidence, "What was measured, and what is missing")
    return Table("matrix", title, rows.assign(**words, missing=missing, hours=hours), columns, about)


def _words(lacking: list[int], count: int) -> str:
    if not lacking:
        return "all"
    return "missing" if len(lacking) == count else f"seed {', '.join(map(str, lacking))} missing"
