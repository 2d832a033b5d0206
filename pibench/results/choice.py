"""Which method to take: the cheapest within a budget of accuracy, for each way to pay."""

from __future__ import annotations

from collections.abc import Iterable

from pibench.results import notes, rows
from pibench.results.cost import LINKS
from pibench.results.frontier import Frontier
from pibench.results.join import Row, join
from pibench.results.records import Record
from pibench.results.render import Cell, Column, Table

BUDGETS = (0.0, 0.5, 1.0, 2.3)
"""Points of accuracy that a reader may be ready to lose; 2.3 is IG-3D's."""
_NAMES = {"loopback": "loopback (s)", "lan": "LAN (s, modelled)", "wan": "WAN (s, modelled)"}


def choice(records: Iterable[Record]) -> Table:
    """Return one row per budget: the method of least seconds on each link, and that of least megabytes, within it."""
    study = join(records).comparable
    frontier = Frontier(study, rows.averaged_tasks(study))
    prices = {row: frontier.prices(row) for row in frontier.points}
    columns = [
        Column("budget", "points I may lose", 1),
        *(Column(link, _NAMES[link]) for link in LINKS),
        Column("megabytes", "communication (MB)"),
    ]
    cells: list[list[Cell]] = [
        [budget, *(_cheapest(frontier, prices, budget, key) for key in (*LINKS, "megabytes"))] for budget in BUDGETS
    ]
    about = [
        "The method and variant that costs least of those that lose no more, on average over the informative tasks, in "
        "floats and in fixed point; what it costs and loses, and over how many seeds. Half a point at one seed is "
        "noise.",
        notes.seeds(study),
        *notes.noise(study),
        *notes.provenance(study),
    ]
    return Table("choice", notes.title(study, "The cheapest method within a budget"), columns, cells, about)


def _cheapest(frontier: Frontier, prices: dict[Row, dict[str, float | None]], budget: float, key: str) -> str | None:
    fit = {
        row: price
        for row, own in prices.items()
        if frontier.points[row].loss <= budget and (price := own[key]) is not None
    }
    if not fit:
        return None
    best = min(fit, key=fit.__getitem__)
    count = rows.seeds(frontier.study, best)
    loss = f"loses {frontier.points[best].loss:z.1f}"
    return f"{'/'.join(best)} ({fit[best]:.3g}; {loss}; {count} {'seed' if count == 1 else 'seeds'})"
