"""What the studies of the engine's cost have in common."""

from __future__ import annotations

from statistics import median
from typing import Any

import pandas as pd

from pibench.net.profiles import NETWORKS
from pibench.results.cost import modelled_seconds
from pibench.results.records import Record
from pibench.results.render import Column
from pibench.results.stats import paired_ratio

COST = [
    Column("megabytes", "MB", 2),
    Column("rounds", "rounds", 0),
    Column("seconds", "loopback (s)", 3),
    Column("compute", "of which compute (s)", 3),
    Column("lan", "LAN (s, modelled)", 2),
    Column("wan", "WAN (s, modelled)", 2),
    Column("offline_elements", "offline (dealer): million elements", 1),
    Column("offline_gigabytes", "GB if sent", 2),
    Column("offline_seconds", "made in (s)", 2),
]
RATIO = [
    Column("ratio", "time over lean", 2),
    Column("low", "95 % low", 2),
    Column("high", "95 % high", 2),
]
NOTES = [
    "Online megabytes (1e6 bytes, both directions) and rounds are counted at the wire and equal the ledger's.",
    "Seconds are medians between two processes on one machine. LAN and WAN are modelled from compute, bytes and "
    "rounds; a round is half a round trip on raw sockets, two on gloo.",
    "The dealer's offline phase is in no total: its columns count tuples as if all were sent to both parties.",
]


def cost_frame(record: Record) -> pd.DataFrame:
    """Return the rows of a study of costs with the columns ``COST`` and ``RATIO`` added."""
    rows = record["rows"]
    frame = pd.DataFrame(rows)
    ratios = pd.DataFrame([_ratio(row) for row in rows], columns=["ratio", "low", "high"], dtype=float)
    return frame.assign(
        megabytes=frame["bytes_total"] / 1e6,
        seconds=frame["seconds"].map(median),
        compute=frame["compute_seconds"].map(median),
        lan=[modelled_seconds(row, NETWORKS["lan"]) for row in rows],
        wan=[modelled_seconds(row, NETWORKS["wan"]) for row in rows],
        offline_elements=frame["offline_elements"] / 1e6,
        offline_gigabytes=frame["offline_bytes_if_sent"] / 1e9,
        offline_seconds=[median(made) if made else "in the clock" for made in frame["offline_seconds"]],
        memory=frame["peak_memory_bytes"] / 1e9,
        **ratios,
    )


def _ratio(row: dict[str, Any]) -> list[float | None]:
    """Return the median time over the reference's, and its interval."""
    if row["reference_seconds"] is None:
        return [None] * 3
    ratio = paired_ratio(row["seconds"], row["reference_seconds"])
    return [ratio.median, ratio.low, ratio.high]
