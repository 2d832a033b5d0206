"""AERO's decoders on CHEETAH, the protocol of its authors, reported against measured."""

from __future__ import annotations

import pandas as pd

from pibench.net.profiles import Network, latency
from pibench.results.records import Record
from pibench.results.render import Column, Table

_PAPER_LINK = Network("AERO's bandwidth", 100e6, rtt=0.0)


def tables(record: Record) -> list[Table]:
    """Return the decoders, and one BERT-base layer of each kind, one row per model and configuration."""
    columns = [
        Column("model", "model"),
        Column("rung", "configuration"),
        Column("reported_gigabytes", "paper: GB", 2),
        Column("reported_reduction", "paper: times fewer", 2),
        Column("reported_minutes", "paper: minutes", 2),
        Column("reported_speedup", "paper: speed-up", 2),
        Column("gigabytes", "GB", 2),
        Column("reduction", "times fewer", 2),
        Column("minutes", "minutes on loopback", 2),
        Column("speedup", "speed-up on loopback", 2),
        Column("modelled_speedup", "speed-up at 100 Mbit/s, modelled", 2),
    ]
    about = [
        "GPT-2 of 12 layers, hidden 768, 128 tokens: twelve times one layer. The paper's numbers include embedding and "
        "vocabulary projection, ours do not; its network and its fork's fused kernels also differ from ours.",
        "CHEETAH as OpenBumbleBee sets it up, weights private to the server. Reported and measured numbers are never "
        "divided by each other: each ratio is to the first row of its kind.",
        "Modelled: the seconds on loopback plus the bytes at the paper's 100 Mbit/s, half of them in each direction at "
        "once, without its 80 ms, since CHEETAH does not report rounds.",
    ]
    return [Table("aero_cheetah", "AERO on CHEETAH: reported against measured", _costs(record), columns, about)]


def _costs(record: Record) -> pd.DataFrame:
    rows = record["rows"]
    reported = pd.DataFrame([row["reported"] or {} for row in rows], columns=["gigabytes", "minutes"], dtype=float)
    frame = pd.DataFrame(rows)[["model", "rung"]].assign(
        reported_gigabytes=reported["gigabytes"],
        reported_minutes=reported["minutes"],
        gigabytes=[row["bytes_total"] / 1e9 for row in rows],
        minutes=[row["seconds"] / 60 for row in rows],
        modelled=[latency(_PAPER_LINK, row["seconds"], row["bytes_total"] / 2, rounds=0) for row in rows],
    )
    first = frame.groupby("model").transform("first")
    return frame.assign(
        reported_reduction=first["reported_gigabytes"] / frame["reported_gigabytes"],
        reported_speedup=first["reported_minutes"] / frame["reported_minutes"],
        reduction=first["gigabytes"] / frame["gigabytes"],
        speedup=first["minutes"] / frame["minutes"],
        modelled_speedup=first["modelled"] / frame["modelled"],
    ).sort_values("model", key=lambda model: model != "GPT-2", kind="stable")
