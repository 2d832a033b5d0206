"""Which method to choose: the cheapest one within an accuracy budget, for each kind of cost."""

from __future__ import annotations

import pandas as pd

from pibench.results import notes
from pibench.results.evidence import Evidence
from pibench.results.render import Column, Table
from pibench.results.summary import summary

BUDGETS = (0.0, 0.5, 1.0, 2.3)
"""Accuracy budgets: how many points a reader may accept to lose; 2.3 is IG-3D's."""
_PRICES = {
    "loopback": ("seconds_loopback", "loopback (s)"),
    "lan": ("seconds_lan", "LAN (s, modelled)"),
    "wan": ("seconds_wan", "WAN (s, modelled)"),
    "megabytes": ("megabytes", "communication (MB)"),
}


def choice(evidence: Evidence) -> Table:
    """Return one row per budget: the fastest method within it on each link, and the one that sends the fewest bytes.

    Without an informative task no method is named.
    """
    evidence = evidence.comparable
    rows = summary(evidence, evidence.averaged).sort_index()
    rows = rows[rows["frontier"].notna()]
    chosen = [
        {"budget": budget}
        | {key: _cheapest(rows[most_lost(rows) <= budget], price) for key, (price, _) in _PRICES.items()}
        for budget in BUDGETS
    ]
    columns = [Column("budget", "points I may lose", 1), *(Column(key, title) for key, (_, title) in _PRICES.items())]
    about = [
        *notes.uninformative(evidence),
        "The cheapest method and variant that is shown to lose at most this many points on average over the "
        "informative tasks, in floats and in fixed point alike: the upper end of its loss's interval is within the "
        "budget. In brackets: its cost, its loss, and the number of seeds.",
        *notes.losses(evidence)[1:],
        notes.seeds(evidence),
        *notes.noise(evidence),
        *notes.provenance(evidence),
    ]
    title = notes.title(evidence, "The cheapest method within a budget")
    return Table("choice", title, pd.DataFrame(chosen), columns, about)


def most_lost(rows: pd.DataFrame) -> pd.Series:
    """Return the upper end of the interval of each row's loss; the loss where no records hold outputs."""
    return rows["counted_loss_high"].fillna(rows["counted_loss"])


def _cheapest(rows: pd.DataFrame, price: str) -> str | None:
    priced = rows[rows[price].notna()]
    if priced.empty:
        return None
    name = priced[price].idxmin()
    best = priced.loc[name]
    seeds = f"{best['seeds']} {'seed' if best['seeds'] == 1 else 'seeds'}"
    ends = [best["counted_loss_low"], best["counted_loss_high"]]
    sure = "" if any(map(pd.isna, ends)) else f", {ends[0]:z.1f} to {ends[1]:z.1f}"
    return f"{name} ({best[price]:.3g}; loses {best['counted_loss']:z.1f}{sure}; {seeds})"
