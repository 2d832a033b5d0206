"""What the studies of reliability have in common."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from pibench.results.records import Record
from pibench.results.render import Column, Table

TRIED = [
    Column("times", "times tried", 0),
    Column("survived", "survived", 0),
    Column("lost", "finished cells lost", 0),
    Column("orphans", "processes left behind", 0),
    Column("tracebacks", "raw tracebacks", 0),
    Column("saw", "what the user saw most often"),
]


def table(record: Record, title: str, columns: Sequence[Column], about: Sequence[str]) -> Table:
    """Return the rows of a study unchanged; a note names the commits that rows were measured at, if they say so."""
    commits = sorted({str(row["commit"])[:12] for row in record["rows"] if "commit" in row})
    own = [f"Rows were measured at commit {', '.join(commits)}."] if commits else []
    return Table(record["name"], title, pd.DataFrame(record["rows"]), columns, [*about, *own])
