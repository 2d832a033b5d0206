"""What became of runs under which a party or the machine failed."""

from __future__ import annotations

from pibench.results.records import Record
from pibench.results.render import Column, Table
from pibench.results.studies._reliability import TRIED, table


def tables(record: Record) -> list[Table]:
    """Return one row a fault."""
    about = [
        "Survived: what had to fail did so within its deadline and for that reason, in the record or as the run's last "
        "word; all other cells finished; nothing stayed behind. A party is struck at a random moment of its life.",
        "A full disk or read-only folder ends the run with that sentence; resumed on a repaired disk, it finishes. "
        "Strangers are turned away, and the right client is served after them.",
    ]
    return [table(record, "Faults", [Column("fault", "fault"), *TRIED], about)]
