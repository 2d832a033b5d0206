"""What decoders learn without nonlinearities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from pibench.results.records import Record
from pibench.results.render import Column, Table

FIGURE = "head_entropy"
LOW, HIGH = 0.25, 0.75
"""A head has collapsed, or is overloaded, if its entropy is in the lowest or the top quarter of the range."""
_MIN_RANKED = 4
_ACROSS = 5


def tables(record: Record) -> list[Table]:
    """Return what each configuration learned: means over seeds, and how many seeds diverged."""
    columns = [
        Column("rung", "configuration"),
        Column("perplexity", "perplexity", 2),
        Column("perplexity_sd", "sd", 2),
        Column("bits_per_byte", "bits a byte", 3),
        Column("over_first", "over the first (%)", 1),
        Column("reported", "paper: perplexity", 2),
        Column("reported_over_first", "paper: over the first (%)", 1),
        Column("collapsed", "heads collapsed (%)", 0),
        Column("overloaded", "heads overloaded (%)", 0),
        Column("diverged", "seeds diverged", 0),
        Column("seeds", "seeds", 0),
        Column("parameters", "million parameters", 2),
    ]
    frame = _learned(record)
    one = record["rows"][0]
    about = [
        f"Trained from scratch on {one['corpus']}, {one['steps']} steps of {one['batch_size']} windows of "
        f"{one['seq_len']} tokens, a vocabulary of {one['vocabulary']}; scored on text held out.",
        f"Collapsed or overloaded: a head's mean entropy is below {LOW:g} or above {HIGH:g} of log T.",
        "The paper's perplexities are of GPT-2 with 12 layers on CodeParrot at 128 tokens, trained on 2.1 billion "
        "tokens: only their order can be compared." + _agreement(frame),
    ]
    return [Table("language", "Decoders without nonlinearities: perplexity", frame, columns, about)]


def _learned(record: Record) -> pd.DataFrame:
    rows = pd.DataFrame(record["rows"])
    numbers = ["loss", "perplexity", "bits_per_byte", "reported_perplexity"]
    rows = rows.astype(dict.fromkeys(numbers, float)).assign(
        collapsed=[_share(np.less, heads, LOW) for heads in rows["entropies"]],
        overloaded=[_share(np.greater, heads, HIGH) for heads in rows["entropies"]],
    )
    frame = rows.groupby("rung", sort=False).agg(
        perplexity=("perplexity", "mean"),
        perplexity_sd=("perplexity", "std"),
        bits_per_byte=("bits_per_byte", "mean"),
        reported=("reported_perplexity", "first"),
        collapsed=("collapsed", "mean"),
        overloaded=("overloaded", "mean"),
        learned=("loss", "count"),
        seeds=("seed", "size"),
        parameters=("parameters", "first"),
    )
    return frame.reset_index().assign(
        over_first=100 * (frame["perplexity"] / frame["perplexity"].iloc[0] - 1).to_numpy(),
        reported_over_first=100 * (frame["reported"] / frame["reported"].iloc[0] - 1).to_numpy(),
        diverged=(frame["seeds"] - frame["learned"]).to_numpy(),
        parameters=frame["parameters"].to_numpy() / 1e6,
    )


def _share(compare: Callable[..., Any], entropies: list[list[float]] | None, bound: float) -> float | None:
    """Return the percentage of a model's heads whose entropy is on one side of a bound; None if it learned nothing."""
    return None if entropies is None else 100 * float(np.mean(compare(entropies, bound)))


def _agreement(frame: pd.DataFrame) -> str:
    """Say how well the order of configurations agrees with the paper's."""
    both = frame[["perplexity", "reported"]].dropna()
    if len(both) < _MIN_RANKED:
        return ""
    rank = spearmanr(both["perplexity"], both["reported"]).statistic
    return f" Spearman's rank correlation over the {len(both)} that both have: {rank:.2f}."


def figure(plt: Any, record: Record) -> Any:
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
