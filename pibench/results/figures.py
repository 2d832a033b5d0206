"""Draw the figures from the records: ``pibench figures`` (needs the extra ``figures``)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pibench.arguments import path
from pibench.disk import atomic_write
from pibench.errors import InputError, one_sentence
from pibench.methods.trajectory import Point, Trajectory
from pibench.results.palette import COLOURS
from pibench.results.records import RESULTS, Record, read_all
from pibench.results.refusal import add_draft, refuse
from pibench.results.studies import with_modules


def searched(records: Sequence[Record]) -> list[tuple[Record, Trajectory]]:
    """Return the accuracy records whose method left a trajectory, each with its trajectory."""
    found = [(record, Trajectory.of(record["notes"])) for record in records if record["kind"] == "accuracy"]
    return [(record, trajectory) for record, trajectory in found if trajectory]


def frontier(plt: Any, records: Sequence[Record]) -> Any:
    """Draw points lost on the selection split against megabytes, one panel per task, for every method that searched.

    Lines are stages after their short recovery, filled points the stages that were recovered in full.
    """
    found = searched(records)
    tasks = list(dict.fromkeys(record["task"] for record, _ in found))
    methods = sorted({record["method"] for record, _ in found}, key=lambda name: (name != "ig3d", name))
    figure, axes = plt.subplots(1, len(tasks), figsize=(3.4 * len(tasks) + 0.6, 3.8), squeeze=False)
    for axis, task in zip(axes[0], tasks, strict=True):
        for method, colour in zip(methods, COLOURS, strict=False):
            own = [one for one in found if (one[0]["task"], one[0]["method"]) == (task, method)]
            for record, trajectory in own:
                style = {"color": colour, "alpha": 0.9 if record["seed"] == 0 else 0.35}
                axis.plot(*_points(trajectory.stages, trajectory.dense_score), "-", lw=1, **style)
                axis.plot(*_points(trajectory.recovered, trajectory.dense_score), "o", ms=5, **style)
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


def _points(stages: Sequence[Point], dense: float) -> tuple[list[float], list[float]]:
    return [stage.megabytes for stage in stages], [dense - stage.score for stage in stages]


def draw(records: Sequence[Record], folder: Path) -> list[Path]:
    """Draw every study that has a figure, and the frontier of methods that searched; return the paths.

    Raises :class:`InputError` if matplotlib is missing or the folder cannot be written.
    """
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise InputError("figures need matplotlib: run `pip install pibench[figures]`") from error
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figures = {
        folder / f"{module.FIGURE}.png": module.figure(plt, record)
        for record, module in with_modules(records)
        if hasattr(module, "FIGURE")
    }
    if searched(records):
        figures[folder / "frontier.png"] = frontier(plt, records)
    for file, figure in figures.items():
        with atomic_write(file) as temporary:
            figure.savefig(temporary, dpi=120, format=file.suffix[1:], metadata={"Software": None})
        plt.close(figure)
    return list(figures)


@one_sentence
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 2 for bad input."""
    parser = argparse.ArgumentParser(prog="pibench figures", description="Draw the figures from records.")
    parser.add_argument("--records", type=path, default=RESULTS / "records", help="folder of records (%(default)s)")
    parser.add_argument("--output", type=path, default=RESULTS / "figures", help="folder of figures (%(default)s)")
    add_draft(parser)
    arguments = parser.parse_args(argv)
    records = read_all(arguments.records)
    refuse(records, arguments.draft)
    for file in draw(records, arguments.output):
        print(file)
    return 0
