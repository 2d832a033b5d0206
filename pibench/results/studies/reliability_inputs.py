"""What readers did with damaged and made-up input."""

from __future__ import annotations

from pibench.results.records import Record
from pibench.results.render import Column, Table
from pibench.results.studies._reliability import table


def tables(record: Record) -> list[Table]:
    """Return one row per reader."""
    columns = [
        Column("reader", "reader of"),
        Column("tried", "inputs tried", 0),
        Column("read", "accepted: valid after all", 0),
        Column("refused", "refused in one sentence", 0),
        Column("others", "anything else", 0),
    ]
    about = [
        "Inputs are drawn by hypothesis: valid files with bytes cut off or overwritten, random bytes, random text, and "
        "nearly valid input. Checkpoints are loaded as weights only, and messages are never unpickled.",
    ]
    return [table(record, "Bad input", columns, about)]
