"""The charts of the report: Vega-Lite specifications, built by altair from pandas frames.

Colours are the CSS variables of the page, so the charts follow its light and dark schemes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from pibench.results.frontier import beaten_by
from pibench.results.page_data import AXES

LARGEST_LOSS = 8.0
"""A mark that loses more points stands at the upper edge of the frontier chart."""
STANDINGS = ("on the frontier", "behind another row", "loses more than the scale shows")
_PLACE_LABELS = {
    "type": "label",
    "size": {"signal": "[max(width, 1), height]"},
    "anchor": ["right", "left", "top", "bottom", "top-right", "bottom-right", "top-left", "bottom-left"],
    "offset": [12],
    "avoidMarks": ["points_marks"],
}
"""Vega's transform that keeps labels off marks and off each other; Vega-Lite does not offer it."""
_AXIS = {
    "labelColor": "var(--faint)",
    "labelFontSize": 12,
    "titleColor": "var(--ink)",
    "titleFontSize": 13,
    "titleFontWeight": "normal",
    "domainColor": "var(--line)",
    "gridColor": "var(--line)",
    "tickColor": "var(--line)",
}
_CONFIG = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": _AXIS,
    "legend": {"labelColor": "var(--ink)", "labelFontSize": 12, "labelLimit": 0},
    "title": {"color": "var(--ink)", "fontSize": 13, "fontWeight": "normal"},
    "text": {"color": "var(--ink)", "fontSize": 12},
}


def by_axis(points: pd.DataFrame) -> pd.DataFrame:
    """Return one row per method and cost, from the cheapest to the most expensive.

    ``points`` has a row per method: ``name``, ``seeds``, ``loss`` in points, ``low`` and ``high`` (an interval of the
    loss, null without one), ``apart`` (the names of the rows whose loss differs from this one's), and a column per key
    of ``AXES``, null where that cost was not measured. The result has ``axis`` and ``cost`` instead; ``place``, which
    is ``on the frontier`` or names a row that beats it by this cost alone; ``standing``, one of ``STANDINGS``; and
    ``sentence``, which says all of it.
    """
    keys = [column for column in points if column not in AXES]
    long = points.melt(keys, list(AXES), "axis", "cost").dropna(subset="cost").sort_values("cost", kind="stable")
    long = long.reset_index(drop=True).assign(name_other=None)
    for _, own in long.groupby("axis"):
        names = own["name"].to_numpy(object)
        apart = np.array([[other in known for other in names] for known in own["apart"]])
        best = beaten_by(own["loss"].to_numpy(float), own[["cost"]].to_numpy(float), apart)
        long.loc[own.index, "name_other"] = [None if place is None else names[place] for place in best]
    long = long.merge(points[["name", "megabytes", "rounds"]], on="name")
    beaten = long["name_other"].notna()
    long["standing"] = beaten.map({False: STANDINGS[0], True: STANDINGS[1]})
    long["standing"] = long["standing"].mask(long["loss"] > LARGEST_LOSS, STANDINGS[2])
    long["place"] = ("behind " + long["name_other"]).where(beaten, STANDINGS[0])
    return long.drop(columns=["name_other", "apart"]).assign(
        sentence=[_sentence(row) for row in long.to_dict("records")]
    )


def _sentence(row: dict[str, Any]) -> str:
    title, unit = AXES[row["axis"]]
    cost = "" if row["axis"] in ("megabytes", "rounds") else f"{title}: {row['cost']:,.2f} {unit}; "
    totals = f"{row['megabytes']:,.1f} MB in {row['rounds']:,.0f} rounds"
    seeds = f"{row['seeds']} {'seed' if row['seeds'] == 1 else 'seeds'}"
    sure = "" if pd.isna(row["low"]) else f" ({row['low']:z.2f} to {row['high']:z.2f})"
    return f"{row['name']}: loses {row['loss']:z.2f}{sure} points; {cost}{totals}; {seeds}; {row['place']}."


def frontier(points: pd.DataFrame) -> dict[str, Any]:
    """Return the chart of points lost against cost, of the frame of :func:`by_axis`.

    The page's element ``#axis`` chooses the cost. Where the frame has ``low`` and ``high``, intervals are drawn.
    """
    chosen = alt.param("axis", value=next(iter(AXES)), bind=alt.BindDirect(element="#axis", event="change"))
    ends = points[["loss", "low", "high"]].stack()
    shown = [0.0, 1.0, *ends[ends <= LARGEST_LOSS]]
    losses = alt.Scale(domain=[math.floor(min(shown)), math.ceil(max(shown))], clamp=True, nice=False)
    costs = alt.Scale(type="log", nice=False, padding=24)
    ticks = alt.Axis(format=",", labelBound=True, labelSeparation=8, grid=False)
    base = _chart("points", points).transform_filter(alt.datum.axis == chosen)
    base = base.encode(
        alt.X("cost:Q", title=None, axis=ticks, scale=costs),
        alt.Y("loss:Q", title="points lost", axis=alt.Axis(tickMinStep=1), scale=losses),
    )
    names = base.transform_filter(alt.datum.standing == STANDINGS[0]).mark_text(aria=False).encode(text="name:N")
    layers = [_marks(base).properties(name="points"), names.properties(name="names")]
    if points["low"].notna().any():
        layers.insert(
            0, base.mark_errorbar(color="var(--faint)").encode(alt.Y("low:Q", title="points lost"), alt.Y2("high:Q"))
        )
    titles = {key: f"{title} ({unit})" for key, (title, unit) in AXES.items()}
    title = alt.Title(alt.ExprRef(f"({json.dumps(titles)})[axis]"), orient="bottom")
    chart = alt.layer(*layers, title=title, width="container", height=400).add_params(chosen)
    patch = {"op": "add", "path": f"/marks/{len(layers) - 1}/transform", "value": [_PLACE_LABELS]}
    return _specification(chart, [patch])


def _marks(base: alt.Chart) -> alt.Chart:
    legend = alt.Legend(orient="top", title=None, columns=alt.ExprRef("width < 500 ? 1 : 3"))
    fills = alt.Scale(domain=STANDINGS, range=["var(--accent)", "transparent", "transparent"])
    strokes = alt.Scale(domain=STANDINGS, range=["var(--accent)"])
    shapes = alt.Scale(domain=STANDINGS, range=["circle", "circle", "triangle-up"])
    return base.mark_point(size=130, opacity=1, strokeWidth=2).encode(
        alt.Fill("standing:N", scale=fills, legend=legend),
        alt.Stroke("standing:N", scale=strokes, legend=legend),
        alt.Shape("standing:N", scale=shapes, legend=legend),
        alt.Description("sentence:N"),
        tooltip=[
            alt.Tooltip("name:N", title="method"),
            alt.Tooltip("loss:Q", title="points lost", format=".2f"),
            alt.Tooltip("cost:Q", format=",.2f"),
            "seeds:N",
            "place:N",
        ],
    )


def stacked_bars(sizes: pd.DataFrame, groups: Sequence[str]) -> dict[str, Any]:
    """Return a bar for each ``name``, stacked of the ``megabytes`` of each ``group``, in the order of ``groups``."""
    base = _chart("sizes", sizes).encode(alt.Y("name:N", sort=None, axis=None))
    colours = alt.Scale(domain=groups, range=[f"var(--{group})" for group in groups])
    legend = alt.Legend(orient="top", title=None, symbolStrokeWidth=0, columns=alt.ExprRef("width < 400 ? 3 : 5"))
    bars = base.transform_calculate(position=f"indexof({list(groups)}, datum.group)").mark_bar(height=16, yOffset=9)
    bars = bars.encode(
        alt.X("megabytes:Q", title="MB", axis=alt.Axis(format=",.0f", tickCount=6)),
        alt.Color("group:N", scale=colours, legend=legend),
        alt.Order("position:Q"),
        tooltip=["name:N", "group:N", alt.Tooltip("megabytes:Q", format=",.1f")],
    )
    names = base.transform_aggregate(total="sum(megabytes)", groupby=["name"])
    names = names.transform_calculate(label="datum.name + ': ' + format(datum.total, ',.1f') + ' MB'")
    names = names.mark_text(align="left", yOffset=-8).encode(alt.XValue(0), text="label:N")
    return _specification(alt.layer(bars, names, width="container", height=42 * sizes["name"].nunique()))


def heat_map(shares: pd.DataFrame, title: str) -> dict[str, Any]:
    """Return the map of the ``percent`` of each ``layer`` (down) and ``head`` (across)."""
    base = _chart("shares", shares).encode(
        alt.X("head:O", axis=alt.Axis(orient="top", labelAngle=0)),
        alt.Y("layer:O"),
        tooltip=["layer:O", "head:O", alt.Tooltip("percent:Q", format=".1f")],
    )
    strength = alt.Scale(domain=[0, 100], range=[0, 0.6], clamp=True)
    cells = base.mark_rect(fill="var(--heat)").encode(alt.Opacity("percent:Q", scale=strength, legend=None))
    numbers = base.mark_text(fontSize=11, aria=False).encode(alt.Text("percent:Q", format=".0f"))
    heading = alt.Title(title, anchor="start")
    return _specification(alt.layer(cells, numbers, title=heading, width=alt.Step(21), height=alt.Step(20)))


def _chart(name: str, frame: pd.DataFrame) -> alt.Chart:
    return alt.Chart(alt.InlineData(alt.to_values(frame)["values"], name=name))


def _specification(chart: alt.LayerChart | alt.FacetChart, patch: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """Return a chart's specification; ``patch`` (JSON Patch, RFC 6902) changes what Vega-Lite makes of it."""
    options = {"renderer": "svg", "actions": False, "patch": list(patch)}
    return chart.properties(config=_CONFIG, usermeta={"embedOptions": options}).to_dict()
