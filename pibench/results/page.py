"""The report: one self-contained HTML page, made from records: ``pibench report``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pibench.arguments import path
from pibench.disk import save_text
from pibench.errors import InputError, one_sentence
from pibench.results.cost import GROUPS
from pibench.results.page_data import AXES, PageData, numbers, page_data, shown
from pibench.results.records import RESULTS, Record, read_all
from pibench.results.refusal import add_draft, refuse
from pibench.results.render import Table

_MAPS = {
    "importance": (
        "Head importance",
        "How much each head matters, in percent of the largest in its map, by layer (down) and head (across).",
    ),
    "entropies": (
        "AERO's entropies",
        "Mean attention entropy of each head in percent of log T, first seed: a head at 0 attends to one word, a head "
        "at 100 to all words alike.",
    ),
}
_FIRST = ("glue", "accuracy", "latency", "communication", "field", "claims")


def page(records: Sequence[Record], tables: Sequence[Table]) -> str:
    """Return the page.

    Raises:
        InputError: A library is missing, or the records do not belong together.
    """
    try:
        import altair
        import jinja2
        import vl_convert
        from markupsafe import Markup
    except ModuleNotFoundError as error:
        raise InputError(f"the report needs {error.name}: run `pip install 'pibench[report]'`") from error

    data = page_data(records)
    maps = {name: frame for name in _MAPS if len(frame := getattr(data, name))}
    ordered = sorted(tables, key=lambda table: _FIRST.index(table.name) if table.name in _FIRST else len(_FIRST))
    version = altair.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0]
    web = jinja2.PackageLoader("pibench.results", "web")
    environment = jinja2.Environment(loader=web, autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template("page.html").render(
        suite=RESULTS.name,
        vega=Markup(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", version)),
        data=data,
        axes=AXES,
        charts=_charts(data, maps),
        numbers={name: shown(table) for name, table in _numbers(data, maps).items()},
        maps={name: (*_MAPS[name], list(frame["map"].unique())) for name, frame in maps.items()},
        unmeasured=_unmeasured(data.points),
        tables=[shown(table) for table in ordered],
    )


def _charts(data: PageData, maps: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Return the specification of each chart, by its name in the page."""
    from pibench.results import charts

    found = {
        "frontier": charts.frontier(charts.by_axis(data.points)),
        "bytes": charts.stacked_bars(data.sizes, GROUPS),
    }
    for name, frame in maps.items():
        for index, (title, shares) in enumerate(frame.groupby("map", sort=False)):
            found[f"{name}-{index}"] = charts.heat_map(shares, str(title))
    return found


_POINTS = {"name": "method", "loss": "points lost", "low": "at least", "high": "at most"}
"""The headings of the frontier's numbers; the last two are the ends of the loss's interval."""


def _numbers(data: PageData, maps: dict[str, pd.DataFrame]) -> dict[str, Table]:
    """Return the numbers of each section's charts as a table, by the section's name."""
    titles = {key: f"{title} ({unit})" for key, (title, unit) in AXES.items()}
    sizes = data.sizes.pivot_table("megabytes", "name", "group", sort=False).reindex(columns=GROUPS)
    frames = {
        "frontier": data.points.drop(columns="apart").rename(columns=titles | _POINTS),
        "bytes": sizes.assign(MB=sizes.sum(axis=1)).reset_index(names="method"),
    }
    for name, frame in maps.items():
        heads = frame.pivot_table("percent", ["map", "layer"], "head", sort=False)
        frames[name] = heads.rename(columns="head {}".format).reset_index()
    return {name: numbers(f"numbers-{name}", frame) for name, frame in frames.items()}


def _unmeasured(points: pd.DataFrame) -> list[str]:
    """Return one sentence for all rows that lack the same costs."""
    lacking: dict[str, list[str]] = {}
    for key, (title, _) in AXES.items():
        if names := ", ".join(points["name"][points[key].isna()]):
            lacking.setdefault(names, []).append(title)
    return [f"Not measured for {names}: {'; '.join(titles)}." for names, titles in lacking.items()]


@one_sentence
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 2 for bad input."""
    from pibench.results.tables import all_tables, with_claims

    parser = argparse.ArgumentParser(prog="pibench report", description="Write the report from records.")
    parser.add_argument("--records", type=path, default=RESULTS / "records", help="folder of records (%(default)s)")
    parser.add_argument("--output", type=path, default=Path("runs/report.html"), help="the page (%(default)s)")
    add_draft(parser)
    arguments = parser.parse_args(argv)
    records = read_all(arguments.records)
    refuse(records, arguments.draft)
    save_text(page(records, with_claims(all_tables(records))), arguments.output)
    print(arguments.output)
    return 0
