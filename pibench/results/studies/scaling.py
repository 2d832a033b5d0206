"""What a layer costs as batch or sequence length grows."""

from __future__ import annotations

from typing import Any

from pibench.results.palette import ACCENT, INK
from pibench.results.records import Record
from pibench.results.render import Column, Table
from pibench.results.studies._engine import COST, NOTES, cost_frame

FIGURE = "engine_scaling"


def tables(record: Record) -> list[Table]:
    """Return one row per setup, batch and length."""
    columns = [
        Column("setup", "setup"),
        Column("batch", "batch", 0),
        Column("seq_len", "length", 0),
        *COST,
        Column("memory", "peak memory of a party (GB)", 2),
    ]
    title = "Engine: scaling of one layer and its head"
    return [Table("engine_scaling", title, cost_frame(record), columns, NOTES)]


def figure(plt: Any, record: Record) -> Any:
    """Draw time, bytes and memory of one layer against batch and sequence length."""
    frame = cost_frame(record)
    panels = {
        "seconds": "seconds on loopback, online",
        "megabytes": "MB, both directions",
        "memory": "peak memory of a party, GB",
    }
    figure, axes = plt.subplots(2, len(panels), figsize=(12, 6.5))
    lines = (
        ("batch", frame[frame["seq_len"] == 128], "batch"),
        ("seq_len", frame[frame["batch"] == 1], "sequence length"),
    )
    for line, (key, varied, label) in zip(axes, lines, strict=True):
        for axis, (column, title) in zip(line, panels.items(), strict=True):
            for setup, colour in (("dense", INK), ("IG-3D's recipe", ACCENT)):
                points = varied[varied["setup"] == setup].sort_values(key)
                axis.plot(points[key], points[column], "o-", color=colour, label=setup)
            axis.set(xscale="log", yscale="linear" if column == "memory" else "log", xlabel=label, title=title)
            ticks = sorted(varied[key].unique())
            axis.set_xticks(ticks, [str(tick) for tick in ticks])
            axis.minorticks_off()
            axis.grid(alpha=0.3)
    axes[0][0].legend(frameon=False)
    figure.suptitle("One layer on the lean engine: batch at length 128, length at batch 1", fontsize=11)
    figure.tight_layout()
    return figure
