"""What a whole model costs, on the lean engine and on CrypTen's own tensors."""

from __future__ import annotations

from pibench.results.records import Record
from pibench.results.render import Column, Table
from pibench.results.studies._engine import COST, NOTES, RATIO, cost_frame


def tables(record: Record) -> list[Table]:
    """Return one row per setup and batch."""
    columns = [Column("setup", "setup"), Column("batch", "batch", 0), *COST, *RATIO]
    title = "Engine: a whole model of MiniLM's size, sequence length 128"
    return [Table("engine_model", title, cost_frame(record), columns, NOTES)]
