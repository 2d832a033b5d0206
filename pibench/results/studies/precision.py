"""Scores in emulated fixed point against the number of fractional bits."""

from __future__ import annotations

from typing import Any

import pandas as pd

from pibench.results.palette import ACCENT, COLOURS, INK
from pibench.results.records import Record
from pibench.results.render import Column, Table

FIGURE = "engine_precision"


def tables(record: Record) -> list[Table]:
    """Return one row per task and number of fractional bits."""
    columns = [
        Column("task", "task"),
        Column("fraction_bits", "fractional bits", 0),
        Column("score", "fixed point (%)", 1),
        Column("float", "float (%)", 1),
        Column("labels_agree", "same label (%)", 1),
        Column("mean_difference", "mean logit difference", 4),
        Column("largest_difference", "largest logit difference", 3),
        Column("expected_wraps", "expected wraps per inference", 6),
        Column("examples", "n", 0),
    ]
    about = [
        "Scores are on the selection split, cut from train, because they choose the precision; no wraps are injected."
    ]
    frame = pd.DataFrame(record["rows"])
    return [Table("engine_precision", "Engine: accuracy against precision", frame, columns, about)]


def figure(plt: Any, record: Record) -> Any:
    """Draw the distance to float, and expected wraps, against the number of fractional bits."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    by_task = pd.DataFrame(record["rows"]).groupby("task")
    for (task, rows), colour in zip(by_task, (INK, ACCENT, *COLOURS[2:]), strict=False):
        bits = rows["fraction_bits"]
        left.plot(bits, rows["mean_difference"], "o-", color=colour, label=f"{task}, mean")
        left.plot(bits, rows["largest_difference"], "o:", color=colour, label=f"{task}, largest")
        right.plot(bits, rows["expected_wraps"], "o-", color=colour, label=task)
    left.set(xlabel="fractional bits", ylabel="logit difference from float, selection split", yscale="log")
    right.set(xlabel="fractional bits", ylabel="truncation wraps expected an inference", yscale="log")
    for axis in (left, right):
        axis.legend(frameon=False, fontsize=8)
        axis.grid(alpha=0.3)
    figure.tight_layout()
    return figure
