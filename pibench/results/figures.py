"""Draw the figures from the records: ``python -m pibench.results.figures`` (needs the extra ``figures``)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from pibench.disk import atomic_write
from pibench.errors import InputError, one_sentence
from pibench.results.decoder_pictures import decoder_costs, entropies
from pibench.results.pictures import frontier, importance, searched
from pibench.results.records import RESULTS, Record, read_all

INK, ACCENT = "#33415c", "#d1495b"
Draw = Callable[[Any, Record], Any]


def ablation(plt: Any, record: Record) -> Any:
    """Draw bytes, rounds and time of the lean engine less each switch."""
    rows = record["rows"][::-1]
    names = [row["setup"] for row in rows]
    panels = [
        ("MB, both directions", [row["bytes_total"] / 1e6 for row in rows]),
        ("rounds", [row["rounds"] for row in rows]),
        ("seconds on loopback, online", [median(row["seconds"]) for row in rows]),
    ]
    figure, axes = plt.subplots(1, len(panels), sharey=True, figsize=(12, 0.32 * len(rows) + 1.2))
    for axis, (title, values) in zip(axes, panels, strict=True):
        bars = axis.barh(names, values, color=[ACCENT if name == "lean" else INK for name in names])
        axis.bar_label(bars, fmt="%.3g", padding=3, fontsize=8)
        axis.set_title(title, fontsize=10)
        axis.margins(x=0.18)
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle("One dense layer (384/12/1536) and its head, sequence length 128", fontsize=11)
    figure.tight_layout()
    return figure


def scaling(plt: Any, record: Record) -> Any:
    """Draw time, bytes and memory of one layer against batch and sequence length."""
    panels = [
        ("seconds on loopback, online", lambda row: median(row["seconds"])),
        ("MB, both directions", lambda row: row["bytes_total"] / 1e6),
        ("peak memory of a party, GB", lambda row: row["peak_memory_bytes"] / 1e9),
    ]
    figure, axes = plt.subplots(2, len(panels), figsize=(12, 6.5))
    for line, (key, fixed, label) in zip(
        axes, (("batch", ("seq_len", 128), "batch"), ("seq_len", ("batch", 1), "sequence length")), strict=True
    ):
        for axis, (title, value) in zip(line, panels, strict=True):
            for setup, colour in (("dense", INK), ("IG-3D's recipe", ACCENT)):
                points = [row for row in record["rows"] if row["setup"] == setup and row[fixed[0]] == fixed[1]]
                points.sort(key=lambda row: row[key])
                axis.plot([row[key] for row in points], [value(row) for row in points], "o-", color=colour, label=setup)
            axis.set(xscale="log", yscale="linear" if "memory" in title else "log", xlabel=label, title=title)
            ticks = sorted({row[key] for row in record["rows"] if row[fixed[0]] == fixed[1]})
            axis.set_xticks(ticks, [str(tick) for tick in ticks])
            axis.minorticks_off()
            axis.grid(alpha=0.3)
    axes[0][0].legend(frameon=False)
    figure.suptitle("One layer on the lean engine: batch at length 128, length at batch 1", fontsize=11)
    figure.tight_layout()
    return figure


def precision(plt: Any, record: Record) -> Any:
    """Draw the distance to float, and expected wraps, against the number of fractional bits."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    tasks = sorted({row["task"] for row in record["rows"]})
    for task, colour in zip(tasks, (INK, ACCENT, "#4f9d69", "#e09f3e", "#7d5ba6", "#2a9d8f"), strict=False):
        rows = [row for row in record["rows"] if row["task"] == task]
        bits = [row["fraction_bits"] for row in rows]
        left.plot(bits, [row["mean_difference"] for row in rows], "o-", color=colour, label=f"{task}, mean")
        left.plot(bits, [row["largest_difference"] for row in rows], "o:", color=colour, label=f"{task}, largest")
        right.plot(bits, [row["expected_wraps"] for row in rows], "o-", color=colour, label=task)
    left.set(xlabel="fractional bits", ylabel="logit difference from float, selection split", yscale="log")
    right.set(xlabel="fractional bits", ylabel="truncation wraps expected an inference", yscale="log")
    for axis in (left, right):
        axis.legend(frameon=False, fontsize=8)
        axis.grid(alpha=0.3)
    figure.tight_layout()
    return figure


FIGURES: dict[str, tuple[str, Draw]] = {
    "ablation": ("engine_ablation", ablation),
    "scaling": ("engine_scaling", scaling),
    "precision": ("engine_precision", precision),
    "importance": ("importance", importance),
    "language": ("head_entropy", entropies),
    "decoder_costs": ("decoder_costs", decoder_costs),
}
"""The picture of each study, by the study's name: its file's name and what draws it."""


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

    figures = {}
    for record in records:
        if record["kind"] == "study" and record["name"] in FIGURES:
            name, function = FIGURES[record["name"]]
            figures[folder / f"{name}.png"] = function(plt, record)
    if searched(records):
        figures[folder / "frontier.png"] = frontier(plt, records)
    for path, figure in figures.items():
        with atomic_write(path) as temporary:
            figure.savefig(temporary, dpi=120, format=path.suffix[1:], metadata={"Software": None})
        plt.close(figure)
    return list(figures)


@one_sentence
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 2 for bad input."""
    parser = argparse.ArgumentParser(prog="pibench figures", description="Draw the figures from records.")
    parser.add_argument("--records", type=Path, default=RESULTS / "records", help="folder of records (%(default)s)")
    parser.add_argument("--output", type=Path, default=RESULTS / "figures", help="folder of figures (%(default)s)")
    arguments = parser.parse_args(argv)
    for path in draw(read_all(arguments.records), arguments.output):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
