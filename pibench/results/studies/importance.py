"""How stable head importance is."""

from __future__ import annotations

from statistics import fmean, stdev
from typing import Any

import numpy as np
import pandas as pd

from pibench.results.palette import ACCENT, INK
from pibench.results.records import Record
from pibench.results.render import Column, Table

FIGURE = "importance"


def tables(record: Record) -> list[Table]:
    """Return the rank correlations of each importance with itself, one row per task and importance."""
    frame = pd.DataFrame(record["rows"]).sort_values("task", kind="stable")
    frame = frame.assign(
        halves=[fmean(halves) if halves else None for halves in frame["halves"]],
        halves_sd=[stdev(halves) if halves else None for halves in frame["halves"]],
        between_seeds=[fmean(seeds) if seeds else None for seeds in frame["between_seeds"]],
        completeness=100 * frame["completeness"].astype(float),
    )
    columns = [
        Column("task", "task"),
        Column("importance", "importance"),
        Column("halves", "between halves of the examples", 3),
        Column("halves_sd", "sd", 3),
        Column("between_seeds", "between seeds", 3),
        Column("completeness", "completeness error (%)", 2),
        Column("examples", "examples", 0),
        Column("seeds", "seeds", 0),
    ]
    about = [
        "Spearman's rank correlation of all heads' importance, on dense models and their selection split: between the "
        "means over random halves of the examples (50 draws a seed), and between models that differ in their seed.",
        "Completeness error: the mean distance of the sum of attributions from the effect of opening all gates, "
        "relative to the mean effect.",
    ]
    return [Table("importance", "How stable is head importance?", frame, columns, about)]


def figure(plt: Any, record: Record) -> Any:
    """Draw how stable each importance is, and above it a map of each task's heads by Integrated Gradients."""
    rows = sorted(record["rows"], key=lambda row: row["task"])
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    names = list(dict.fromkeys(row["importance"] for row in rows))
    figure, axes = plt.subplots(2, len(tasks), figsize=(max(6.0, 3.2 * len(tasks) + 0.8), 6.0), squeeze=False)
    for column, task in enumerate(tasks):
        own = {row["importance"]: row for row in rows if row["task"] == task}
        first = own[names[0]]
        heat = np.reshape(first["heads"], (first["layers"], -1))
        axes[0][column].imshow(heat, cmap="magma", aspect="auto")
        axes[0][column].set(title=task, xlabel="head", ylabel="layer")
        axis = axes[1][column]
        for position, name in enumerate(names):
            for offset, key, colour in ((-0.2, "halves", INK), (0.2, "between_seeds", ACCENT)):
                values = own[name][key] or []
                if values:
                    axis.bar(position + offset, np.mean(values), 0.38, color=colour)
                    axis.plot([position + offset] * len(values), values, "k.", ms=2, alpha=0.4)
        axis.set_xticks(range(len(names)), [name.replace("_", "\n") for name in names], fontsize=7)
        axis.set_ylim(-0.3, 1.05)
        axis.axhline(0, color="grey", lw=0.8)
    axes[1][0].set_ylabel("rank correlation")
    title = "Head importance by Integrated Gradients, and below\nthe agreement of halves (blue) and of seeds (red)"
    figure.suptitle(title, fontsize=11)
    figure.tight_layout()
    return figure
