"""What became of runs under which a party or the machine failed."""

from __future__ import annotations

from pibench.results.records import Record
from pibench.results.render import Column, Table
from pibench.results.studies._reliability import TRIED, table


def tables(record: Record) -> list[Table]:
    """Return one row per fault."""
    about = [
        "Survived: what had to fail failed within its deadline, and the record or the run's last message gives that "
        "reason; all other cells finished; no process was left behind. A party is struck at a random moment.",
        "A full disk or read-only folder ends the run with a sentence that says so; resumed on a repaired disk, the "
        "run finishes. Unknown callers are turned away, and the right client is served after them.",
    ]
    return [table(record, "Faults", [Column("fault", "fault"), *TRIED], about)]
