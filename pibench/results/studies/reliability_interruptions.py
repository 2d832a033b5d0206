"""What became of runs that were killed, interrupted, or run twice at once."""

from __future__ import annotations

from pibench.results.records import Record
from pibench.results.render import Column, Table
from pibench.results.studies._reliability import TRIED, table


def tables(record: Record) -> list[Table]:
    """Return one row per kind of interruption."""
    about = [
        "A run is stopped at moments spread evenly over it, and resumed until it is done. Survived: every finished "
        "cell is still there, byte for byte, and all cells measure the same as in an uninterrupted run.",
    ]
    return [
        table(
            record, "Runs killed, interrupted, or run twice at once", [Column("fault", "what happened"), *TRIED], about
        )
    ]
