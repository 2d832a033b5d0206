"""Where the time of one layer goes, operator by operator."""

from __future__ import annotations

from statistics import median

import pandas as pd

from pibench.results.records import Record
from pibench.results.render import Column, Table


def tables(record: Record) -> list[Table]:
    """Return one row per setup and operator."""
    frame = pd.DataFrame(record["rows"])
    milliseconds = 1e3 * frame["seconds"].map(median)
    frame = frame.assign(
        milliseconds=milliseconds,
        wire=1e3 * frame["wire_seconds"].map(median),
        share=100 * milliseconds / milliseconds.groupby(frame["setup"]).transform("sum"),
        megabytes=frame["bytes_total"] / 1e6,
    )
    columns = [
        Column("setup", "setup"),
        Column("operator", "operator"),
        Column("milliseconds", "ms", 1),
        Column("wire", "of which on the wire (ms)", 1),
        Column("share", "share of the time (%)", 1),
        Column("megabytes", "MB", 2),
        Column("rounds", "rounds", 0),
    ]
    about = ["Medians at the server, two processes on one machine; the wire includes waiting for the other party."]
    title = "Engine: where the time of one layer and its head goes"
    return [Table("engine_profile", title, frame, columns, about)]
