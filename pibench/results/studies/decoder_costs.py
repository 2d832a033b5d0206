"""What decoders cost, next to what their paper reports."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pibench.results.cost import GROUPS, LINKS, MODELLED, link_seconds
from pibench.results.palette import COLOURS
from pibench.results.records import Record
from pibench.results.render import Column, Table

FIGURE = "decoder_costs"
_SIZE = ["layers", "seq_len"]


def tables(record: Record) -> list[Table]:
    """Return reported against measured costs of decoders, by size and configuration."""
    columns = [
        Column("layers", "layers", 0),
        Column("seq_len", "tokens", 0),
        Column("rung", "configuration"),
        Column("reported_gigabytes", "paper: GB", 2),
        Column("reported_reduction", "paper: times fewer", 2),
        Column("reported_minutes", "paper: minutes", 2),
        Column("reported_speedup", "paper: speed-up", 2),
        Column("needed_mbits", "paper: least Mbit/s needed", 0),
        Column("gigabytes", "GB", 2),
        Column("vocabulary_gigabytes", "of which vocabulary (GB)", 3),
        Column("reduction", "times fewer", 2),
        Column("rounds", "rounds", 0),
        Column("seconds", "loopback (s)", 2),
        Column("speedup", "speed-up", 2),
        *(Column(f"speedup_{link}", f"{link.upper()} speed-up (modelled)", 2) for link in MODELLED),
    ]
    about = [
        "Reported numbers are the paper's, measured with another protocol, and are never divided by ours: each ratio "
        "is to the first row of its size, within the paper or within this suite.",
        "The least bandwidth is what the reported traffic needs in the reported time if half of it goes each way at "
        "once; the paper states 100 Mbit/s.",
        "Bytes and rounds are the ledger's for the whole decoder, with the logits of the last position revealed; "
        "seconds are measured for one layer of each kind between two processes, times the number of such layers, "
        "without the vocabulary.",
    ]
    title = "Decoders at the paper's size: reported against measured"
    return [Table("decoder_costs", title, _costs(record), columns, about)]


def _costs(record: Record) -> pd.DataFrame:
    measured = {(row["architecture"], row["seq_len"]): link_seconds(row) for row in record["rows"] if not row["whole"]}
    whole = _whole(record)
    own = [
        [measured[layer, tokens] for layer in layers]
        for layers, tokens in zip(whole["own_layers"], whole["seq_len"], strict=True)
    ]
    seconds = pd.DataFrame([{link: sum(layer[link] or 0.0 for layer in one) for link in LINKS} for one in own])
    frame = whole.join(seconds)
    compared = ["reported_gigabytes", "reported_minutes", "gigabytes", *LINKS]
    first = frame.groupby(_SIZE, sort=False)[compared].transform("first")
    return frame.assign(
        seconds=frame["loopback"],
        reported_reduction=first["reported_gigabytes"] / frame["reported_gigabytes"],
        reported_speedup=first["reported_minutes"] / frame["reported_minutes"],
        reduction=first["gigabytes"] / frame["gigabytes"],
        speedup=first["loopback"] / frame["loopback"],
        **{f"speedup_{link}": first[link] / frame[link] for link in MODELLED},
    )


def _whole(record: Record) -> pd.DataFrame:
    """Return the rows about whole decoders, flat; ``own_layers`` are the keys of their layers."""
    rows = [row for row in record["rows"] if row["whole"]]
    frame = pd.DataFrame([row["reported"] | row["megabytes_by_group"] for row in rows])
    return frame.assign(
        own_layers=[row["layers"] for row in rows],
        rounds=[row["rounds"] for row in rows],
        reported_gigabytes=frame["gigabytes"].astype(float),
        reported_minutes=frame["minutes"].astype(float),
        gigabytes=[row["bytes_total"] / 1e9 for row in rows],
        vocabulary_gigabytes=[row["vocabulary_bytes"] / 1e9 for row in rows],
    )


def figure(plt: Any, record: Record) -> Any:
    """Draw bytes by operator group for each configuration, one panel per size: what each removal saves."""
    sizes = list(_whole(record).groupby(_SIZE, sort=False))
    bars = [len(rows) for _, rows in sizes]
    figure, axes = plt.subplots(
        1,
        len(sizes),
        figsize=(0.5 * sum(bars) + 1.2 * len(sizes), 4.4),
        width_ratios=bars,
        squeeze=False,
        layout="constrained",
    )
    for axis, ((layers, tokens), rows) in zip(axes[0], sizes, strict=True):
        bottom = np.zeros(len(rows))
        for group, colour in zip(GROUPS, COLOURS, strict=False):
            heights = rows[group].to_numpy() / 1e3
            axis.bar(range(len(rows)), heights, bottom=bottom, color=colour, label=group)
            bottom += heights
        for index, total in enumerate(bottom):
            axis.text(index, total, f"{bottom[0] / total:.2f}x", ha="center", va="bottom", fontsize=8)
        axis.set_xticks(range(len(rows)), rows["rung"], rotation=60, ha="right", fontsize=7)
        axis.set(title=f"{layers} layers, {tokens} tokens", ylabel="GB, both directions (ledger)")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].legend(frameon=False, fontsize=8)
    return figure
