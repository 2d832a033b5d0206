"""The latency table, and the same for another network."""

from __future__ import annotations

import pandas as pd

from pibench.net.profiles import Network
from pibench.results import notes
from pibench.results.cost import modelled_seconds
from pibench.results.evidence import Evidence
from pibench.results.render import COST_NAMES, Column, Table, or_status
from pibench.results.stats import MIN_PAIRS

_LATENCY = [
    *COST_NAMES,
    Column("seconds_loopback", "loopback (s)", 3),
    Column("speedup_loopback", "speed-up", 2),
    Column("speedup_low", "95 % low", 2),
    Column("speedup_high", "95 % high", 2),
    Column("pairs", "n", 0),
    Column("seconds_lan", "LAN (s, modelled)", 3),
    Column("speedup_lan", "LAN speed-up (modelled)", 2),
    Column("seconds_wan", "WAN (s, modelled)", 3),
    Column("speedup_wan", "WAN speed-up (modelled)", 2),
]


def latency(evidence: Evidence) -> Table:
    """Return one row per method, variant and architecture: seconds and speed-ups on each network."""
    frame = evidence.cost_rows
    frame = frame.assign(seconds_loopback=or_status(frame["seconds_loopback"], frame["status"]))
    about = [
        "Medians of n inferences; a speed-up is the median of dense over this, pair by pair, with a "
        f"bootstrap interval from {MIN_PAIRS} pairs on.",
        *notes.provenance(evidence),
        *notes.clock(evidence),
        *notes.reasons(evidence.costs["record"]),
    ]
    return Table("latency", notes.title(evidence, "Latency"), frame, _LATENCY, about)


def modelled_latency(evidence: Evidence, network: Network) -> Table:
    """Return one row per method, variant and architecture: seconds and speed-up modelled for ``network``."""
    frame = evidence.cost_rows
    own, dense = (
        pd.Series([modelled_seconds(run, network) for run in runs], frame.index, dtype=float)
        for runs in (frame["record"], [record["baseline"] for record in frame["record"]])
    )
    columns = [*COST_NAMES, Column("seconds", "seconds (modelled)", 3), Column("speedup", "speed-up (modelled)", 2)]
    about = [f"{network.bandwidth / 1e6:g} Mbit/s, {network.rtt * 1e3:g} ms.", *notes.provenance(evidence)]
    title = notes.title(evidence, f"Latency on {network.name}")
    return Table("modelled_latency", title, frame.assign(seconds=own, speedup=dense / own), columns, about)
