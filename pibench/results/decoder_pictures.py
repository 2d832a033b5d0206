"""Pictures about decoders: which heads collapse or are overloaded, and what each removed operator saves."""

from __future__ import annotations

from typing import Any

import numpy as np

from pibench.results.cost import GROUPS
from pibench.results.pictures import COLOURS
from pibench.results.records import Record

_ACROSS = 5


def entropies(plt: Any, record: Record) -> Any:
    """Draw a map of each configuration's heads, first seed: mean entropy as a share of log T, dark where none."""
    rows = [row for row in record["rows"] if row["seed"] == record["rows"][0]["seed"]]
    lines = -(-len(rows) // _ACROSS)
    figure, axes = plt.subplots(
        lines, _ACROSS, figsize=(2.3 * _ACROSS, 2.0 * lines + 0.7), squeeze=False, layout="constrained"
    )
    image = None
    for axis, row in zip(axes.flat, rows, strict=False):
        axis.set_title(row["rung"], fontsize=8)
        if row["entropies"] is None:
            axis.text(0.5, 0.5, f"diverged at\nstep {row['diverged_at']}", ha="center", va="center")
            axis.set_axis_off()
            continue
        heat = np.array(row["entropies"])
        image = axis.imshow(heat, cmap="viridis", vmin=0, vmax=1, aspect="auto")
        axis.set_xticks(range(heat.shape[1]))
        axis.set_yticks(range(heat.shape[0]))
        for place, value in np.ndenumerate(heat):
            ink = "white" if value < 0.6 else "black"
            axis.text(place[1], place[0], f"{value:.2f}", ha="center", va="center", color=ink, fontsize=7)
    for axis in list(axes.flat)[len(rows) :]:
        axis.set_axis_off()
    if image is not None:
        figure.colorbar(image, ax=axes, shrink=0.6, label="entropy / log T")
    figure.suptitle("Mean attention entropy of every head (across) and layer (down)", fontsize=11)
    return figure


def decoder_costs(plt: Any, record: Record) -> Any:
    """Draw bytes by operator group for each configuration, a panel a size: what each removal saves."""
    whole = [row for row in record["rows"] if row["whole"]]
    sizes = list(dict.fromkeys((row["reported"]["layers"], row["reported"]["seq_len"]) for row in whole))
    bars = [sum((row["reported"]["layers"], row["reported"]["seq_len"]) == size for row in whole) for size in sizes]
    figure, axes = plt.subplots(
        1,
        len(sizes),
        figsize=(0.5 * sum(bars) + 1.2 * len(sizes), 4.4),
        width_ratios=bars,
        squeeze=False,
        layout="constrained",
    )
    for axis, size in zip(axes[0], sizes, strict=True):
        rows = [row for row in whole if (row["reported"]["layers"], row["reported"]["seq_len"]) == size]
        bottom = np.zeros(len(rows))
        for group, colour in zip(GROUPS, COLOURS, strict=False):
            heights = np.array([row["megabytes_by_group"][group] / 1e3 for row in rows])
            axis.bar(range(len(rows)), heights, bottom=bottom, color=colour, label=group)
            bottom += heights
        for index, total in enumerate(bottom):
            axis.text(index, total, f"{bottom[0] / total:.2f}x", ha="center", va="bottom", fontsize=8)
        axis.set_xticks(
            range(len(rows)), [row["reported"]["rung"] for row in rows], rotation=60, ha="right", fontsize=7
        )
        axis.set(title=f"{size[0]} layers, {size[1]} tokens", ylabel="GB, both directions (ledger)")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].legend(frameon=False, fontsize=8)
    return figure
