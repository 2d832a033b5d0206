"""The tables of studies about methods: how stable importance is, and what each part of a method is worth."""

from __future__ import annotations

from statistics import fmean, stdev
from typing import Any

from pibench.results.records import Record
from pibench.results.render import Cell, Column, Table

Row = dict[str, Any]


def source(record: Record) -> str:
    """Return the note that says where a study was made."""
    environment = record["environment"]
    machine = environment["machine"]
    commit = (environment["commit"] or "unversioned")[:12] + (", uncommitted changes" if environment["dirty"] else "")
    return f"{machine['cpu_model']}, {machine['cores']} cores; commit {commit}; {record['started_utc'][:10]}."


def importance(record: Record) -> Table:
    """Return the rank correlations of each importance with itself."""
    columns = [
        Column("task", "task"),
        Column("importance", "importance"),
        Column("halves", "between halves of the examples", 3),
        Column("halves_sd", "sd", 3),
        Column("between_seeds", "between seeds", 3),
        Column("completeness", "completeness error (%)", 2),
        Column("examples", "examples", 0),
        Column("seeds", "seeds", 0),
    ]
    rows: list[list[Cell]] = []
    for row in sorted(record["rows"], key=lambda row: row["task"]):
        halves, between = row["halves"], row["between_seeds"]
        rows.append(
            [
                row["task"],
                row["importance"],
                fmean(halves) if halves else None,
                stdev(halves) if halves else None,
                fmean(between) if between else None,
                None if row["completeness"] is None else 100 * row["completeness"],
                row["examples"],
                row["seeds"],
            ]
        )
    about = [
        "Spearman's rank correlation of all heads' importance, on dense models and their selection split: between the "
        "means over random halves of the examples (50 draws a seed), and between models that differ in their seed.",
        "Completeness error: how far the sum of attributions is from what opening all gates is worth, on average, "
        "relative to that.",
        source(record),
    ]
    return Table("importance", "How stable is head importance?", columns, rows, about)


def methods_ablation(record: Record) -> Table:
    """Return what each ablation reached."""
    columns = [
        Column("task", "task"),
        Column("method", "method"),
        Column("ablation", "ablation"),
        Column("float", "float", 1),
        Column("loss", "loss (points)", 1),
        Column("selection_loss", "loss on the selection split", 1),
        Column("megabytes", "MB", 2),
        Column("reduction", "reduction (%)", 1),
        Column("rounds", "rounds", 0),
    ]
    rows: list[list[Cell]] = [
        [
            row["task"],
            row["method"],
            row["ablation"],
            row["float"],
            row["dense_float"] - row["float"],
            None if row["selection"] is None else row["dense_selection"] - row["selection"],
            row["bytes_total"] / 1e6,
            100 * (1 - row["bytes_total"] / row["dense_bytes_total"]),
            row["rounds"],
        ]
        for row in record["rows"]
    ]
    first = record["rows"][0]
    about = [
        "Each search has the same dense model, tolerance (2.3 points on the selection split) and budget: "
        f"{first['epochs']} epochs of at most {first['examples']} examples; one seed.",
        "Megabytes and rounds are the ledger's, at sequence length 128.",
        source(record),
    ]
    return Table("methods_ablation", "Methods taken apart", columns, rows, about)
