"""Pictures about methods: accuracy lost against bytes sent, and which heads matter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pibench.methods.trajectory import Trajectory
from pibench.results.records import Record

COLOURS = ("#d1495b", "#33415c", "#4f9d69", "#e09f3e", "#7d5ba6", "#2a9d8f")


def searched(records: Sequence[Record]) -> list[Record]:
    """Return the accuracy records whose method left a trajectory."""
    return [r for r in records if r["kind"] == "accuracy" and Trajectory.of(r["notes"])]


def frontier(plt: Any, records: Sequence[Record]) -> Any:
    """Draw points lost on the selection split against megabytes, a panel a task, for every method that searched.

    Lines are stages after their short recovery, filled points the stages that were recovered in full.
    """
    found = searched(records)
    tasks = list(dict.fromkeys(record["task"] for record in found))
    methods = sorted({record["method"] for record in found}, key=lambda name: (name != "ig3d", name))
    figure, axes = plt.subplots(1, len(tasks), figsize=(3.4 * len(tasks) + 0.6, 3.8), squeeze=False)
    for axis, task in zip(axes[0], tasks, strict=True):
        for method, colour in zip(methods, COLOURS, strict=False):
            own = [record for record in found if (record["task"], record["method"]) == (task, method)]
            for record in own:
                notes = record["notes"]
                walked, recovered = notes["stages"], notes["recovered"]
                style = {"color": colour, "alpha": 0.9 if record["seed"] == 0 else 0.35}
                axis.plot(*_points(walked, notes["dense_score"]), "-", lw=1, **style)
                axis.plot(*_points(recovered, notes["dense_score"]), "o", ms=5, **style)
        axis.axhline(2.3, color="grey", lw=0.8, ls="--")
        axis.axhline(0, color="grey", lw=0.8)
        axis.set(xscale="log", xlabel="MB an inference (predicted)", title=task)
        axis.set_xticks([50, 100, 200, 300], ["50", "100", "200", "300"])
        axis.minorticks_off()
        axis.set_ylim(-4, 13)
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("points lost, selection split")
    lines = [plt.Line2D([], [], color=colour, label=name) for name, colour in zip(methods, COLOURS, strict=False)]
    figure.legend(handles=lines, frameon=False, fontsize=9, loc="lower center", ncols=len(lines))
    figure.suptitle("Lines: after half an epoch a stage; points: recovered in full; dashed: 2.3 points", fontsize=10)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    return figure


def _points(stages: Sequence[dict[str, float]], dense: float) -> tuple[list[float], list[float]]:
    return [stage["megabytes"] for stage in stages], [dense - stage["score"] for stage in stages]


def importance(plt: Any, record: Record) -> Any:
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
            for offset, key, colour in ((-0.2, "halves", COLOURS[1]), (0.2, "between_seeds", COLOURS[0])):
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
