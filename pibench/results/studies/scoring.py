"""The time of scoring in emulated fixed point, over that in floats."""

from __future__ import annotations

from statistics import median

import pandas as pd

from pibench.results.records import Record
from pibench.results.render import Column, Table
from pibench.results.stats import paired_ratio


def tables(record: Record) -> list[Table]:
    """Return one row per task."""
    ratios = [paired_ratio(row["fixed"], row["float"]) for row in record["rows"]]
    frame = pd.DataFrame(record["rows"])
    frame = frame.assign(
        seconds=[median(row["fixed"]) for row in record["rows"]],
        ratio=[ratio.median for ratio in ratios],
        ratio_low=[ratio.low for ratio in ratios],
        ratio_high=[ratio.high for ratio in ratios],
    )
    columns = [
        Column("task", "task"),
        Column("examples", "examples", 0),
        Column("tokens", "tokens an example", 1),
        Column("seconds", "fixed point (s)", 2),
        Column("ratio", "time over floats", 2, estimated=True),
    ]
    about = [
        "The dense model, batch by batch of equal length, one thread; medians and 95 % intervals of pairs of runs."
    ]
    return [Table("engine_scoring", "Engine: scoring in emulated fixed point against floats", frame, columns, about)]
