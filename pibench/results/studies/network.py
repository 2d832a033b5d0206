"""Measured against modelled latency, on emulated links."""

from __future__ import annotations

from statistics import median

import pandas as pd

from pibench.results.records import Record
from pibench.results.render import Column, Table


def tables(record: Record) -> list[Table]:
    """Return one row per link and setup."""
    frame = pd.DataFrame(record["rows"])
    measured = frame["seconds"].map(median)
    frame = frame.assign(
        megabytes=frame["bytes_total"] / 1e6,
        measured=measured,
        difference=100 * (frame["modelled"] / measured - 1),
        runs=frame["seconds"].map(len),
    )
    columns = [
        Column("link", "link"),
        Column("setup", "setup"),
        Column("megabytes", "MB", 2),
        Column("rounds", "rounds", 0),
        Column("measured", "measured (s)", 3),
        Column("modelled", "modelled (s)", 3),
        Column("difference", "difference (%)", 1),
        Column("runs", "n", 0),
    ]
    about = [
        "The model takes compute from a run on loopback; the link is emulated between two network namespaces.",
        "On the LAN the program that delays packets, itself a process on these cores, takes a notable part of a round.",
    ]
    title = "Engine: the latency model against an emulated link"
    return [Table("engine_network", title, frame, columns, about)]
