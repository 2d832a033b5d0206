"""What readers did with damaged and made-up input."""

from __future__ import annotations

from pibench.results.records import Record
from pibench.results.render import Column, Table
from pibench.results.studies._reliability import table


def tables(record: Record) -> list[Table]:
    """Return one row a reader."""
    columns = [
        Column("reader", "reader of"),
        Column("tried", "inputs tried", 0),
        Column("read", "taken: sound after all", 0),
        Column("refused", "refused in one sentence", 0),
        Column("others", "anything else", 0),
    ]
    about = [
        "Inputs are drawn by hypothesis: whole files with bytes cut off or overwritten, random bytes, random text, and "
        "what looks nearly right. Checkpoints load as weights only, and messages are never unpickled.",
    ]
    return [table(record, "Bad input", columns, about)]
