"""How much of the client's text the server reads back from its own view."""

from __future__ import annotations

from pibench.results.records import Record
from pibench.results.render import Column, Table
from pibench.results.studies._reliability import table


def tables(record: Record) -> list[Table]:
    """Return one row per dealer."""
    columns = [
        Column("dealer", "dealer"),
        Column("numbers", "numbers in the client's text", 0),
        Column("read_back", "the server reads back", 0),
    ]
    about = ["With the dealer at party 0, the engine is for measuring only: see [security.md](security.md)."]
    return [table(record, "What the dealer at party 0 gives away", columns, about)]
