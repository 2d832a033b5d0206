"""What became of runs that were killed, interrupted, or not alone."""

from __future__ import annotations

from pibench.results.records import Record
from pibench.results.render import Column, Table
from pibench.results.studies._reliability import TRIED, table


def tables(record: Record) -> list[Table]:
    """Return one row a kind of interruption."""
    about = [
        "Stopped at moments spread evenly over the run, and resumed until it is done: every finished cell is still "
        "there, byte for byte, and what the cells measure is what a run that nobody stopped measures.",
    ]
    return [table(record, "Killed, interrupted, not alone", [Column("fault", "what happened"), *TRIED], about)]
