"""What the engine costs with each switch off, relative to all switches on."""

from __future__ import annotations

from typing import Any

from pibench.results.palette import ACCENT, INK
from pibench.results.records import Record
from pibench.results.render import Column, Table
from pibench.results.studies._engine import COST, NOTES, RATIO, cost_frame

FIGURE = "engine_ablation"


def tables(record: Record) -> list[Table]:
    """Return one row per setup."""
    title = "Engine switches: one dense layer (384/12/1536) and its head, sequence length 128, batch 1"
    columns = [Column("setup", "setup"), *COST, *RATIO]
    return [Table("engine_ablation", title, cost_frame(record), columns, NOTES)]


def figure(plt: Any, record: Record) -> Any:
    """Draw bytes, rounds and time of the lean engine with each switch off."""
    frame = cost_frame(record)[::-1]
    panels = {"megabytes": "MB, both directions", "rounds": "rounds", "seconds": "seconds on loopback, online"}
    figure, axes = plt.subplots(1, len(panels), sharey=True, figsize=(12, 0.32 * len(frame) + 1.2))
    for axis, (key, title) in zip(axes, panels.items(), strict=True):
        colours = [ACCENT if name == "lean" else INK for name in frame["setup"]]
        bars = axis.barh(frame["setup"], frame[key], color=colours)
        axis.bar_label(bars, fmt="%.3g", padding=3, fontsize=8)
        axis.set_title(title, fontsize=10)
        axis.margins(x=0.18)
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle("One dense layer (384/12/1536) and its head, sequence length 128", fontsize=11)
    figure.tight_layout()
    return figure
