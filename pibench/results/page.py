"""The report: one HTML page that needs nothing else, made from records: ``python -m pibench.results.page``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from pibench.disk import save_text
from pibench.errors import InputError, one_sentence
from pibench.results import notes
from pibench.results.cost import GROUPS, LINKS
from pibench.results.evidence import Evidence, join
from pibench.results.mixtures import HEADLINE
from pibench.results.records import RESULTS, Record, file_name, read_all
from pibench.results.refusal import add_draft, refuse
from pibench.results.render import Column, Table, Value, markdown_cell, render
from pibench.results.summary import over_tasks, summary

_SECTIONS = [
    ("choose", "Which method?"),
    ("frontier", "Accuracy against cost"),
    ("bytes", "Where the bytes go"),
    ("importance", "Head importance"),
    ("entropies", "AERO's entropies"),
    ("tables", "Tables"),
    ("provenance", "Records"),
]
_AXES = [
    ("megabytes", "Bytes on the lean engine", "MB"),
    ("rounds", "Rounds on the lean engine", "rounds"),
    ("loopback", "Latency on loopback, measured", "s"),
    ("lan", "Latency on a LAN, modelled", "s"),
    ("wan", "Latency on a WAN, modelled", "s"),
    ("spu-semi2k", "Bytes on SEMI2K, layers of CoLA's models", "MB"),
    ("spu-aby3", "Bytes on ABY3, layers of CoLA's models", "MB"),
    ("spu-cheetah", "Bytes on CHEETAH, layers of CoLA's models", "MB"),
]
_OPEN = ("glue",)
_FIRST = ("glue", "accuracy", "latency", "communication", "field", "claims")


def page(records: Sequence[Record], tables: Sequence[Table]) -> str:
    """Return the page.

    Raises:
        InputError: jinja2 is missing, or the records do not belong together.
    """
    try:
        from jinja2 import Environment, StrictUndefined
    except ModuleNotFoundError as error:
        raise InputError("the report needs jinja2: run `pip install 'pibench[report]'`") from error
    web = files("pibench.results").joinpath("web")
    texts = {name: web.joinpath(name).read_text(encoding="utf-8") for name in ("page.html", "page.css", "page.js")}
    evidence = join(records)
    comparable = evidence.comparable
    rows = summary(comparable, comparable.averaged)
    studies = {record["name"]: record for record in records if record["kind"] == "study"}
    bars = _bars(comparable, rows)
    heatmaps = _heatmaps(studies)
    absent = {"importance", "entropies"} - {heatmap[0] for heatmap in heatmaps}
    ordered = sorted(tables, key=lambda table: _FIRST.index(table.name) if table.name in _FIRST else len(_FIRST))
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(texts["page.html"])
    return template.render(
        css=_Safe(texts["page.css"]),
        js=_Safe(texts["page.js"]),
        suite=RESULTS.name,
        sections=[section for section in _SECTIONS if section[0] not in absent],
        intro=_intro(evidence),
        axes=_AXES,
        axes_json=_json(_AXES),
        points=_json(_points(rows, studies.get("engines"))),
        seeds_note=notes.seeds(comparable),
        headline_title=ordered[0].title,
        groups=GROUPS,
        bars=bars,
        widest=max((bar["total"] for bar in bars), default=1.0),
        heatmaps=heatmaps,
        tables=[_table(table) for table in ordered],
        provenance=[
            *(_provenance(evidence, row) for row in rows.index),
            {"name": "studies", "records": [_origin(record) for record in studies.values()]},
        ],
        footer="Everything on this page is computed from the records named above; nothing is typed in.",
    )


class _Safe(str):
    """Our own text, which goes into the page as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


def _json(value: Any) -> _Safe:
    return _Safe(json.dumps(value, ensure_ascii=False).replace("<", "\\u003c"))


def _intro(evidence: Evidence) -> str:
    record = evidence.accuracy["record"].iloc[0]
    return (
        f"{len(evidence.rows)} rows, one for each method and variant, on {', '.join(evidence.tasks)}; backbone "
        f"{record['backbone']}, sequence length {record['seq_len']}. Accuracy is in floats and in fixed point on whole "
        "validation splits, costs are of real two-party computation."
    )


def _points(rows: pd.DataFrame, engines: Record | None) -> list[dict[str, Any]]:
    entries = engines["rows"] if engines else []
    layers = {(f"{row['method']}/{row['variant']}", row["engine"]): row["bytes_total"] for row in entries}
    found = []
    for name, row in rows[rows["frontier"].notna()].iterrows():
        prices = {link: row[f"seconds_{link}"] for link in LINKS} | {key: row[key] for key in ("megabytes", "rounds")}
        elsewhere = {engine: layers.get((name, engine)) for engine in ("spu-semi2k", "spu-aby3", "spu-cheetah")}
        point = {"name": name, "seeds": row["seeds"], "loss": row["counted_loss"]}
        point |= {key: None if pd.isna(price) else price for key, price in prices.items()}
        found.append(point | {engine: size and size / 1e6 for engine, size in elsewhere.items()})
    return found


def _bars(evidence: Evidence, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the mean megabytes of each row of the headline engine by operator group."""
    costs = evidence.costed[evidence.costed["engine"] == HEADLINE]
    columns = [f"megabytes_{group}" for group in GROUPS]
    sizes = over_tasks(costs, columns, evidence.averaged).set_axis(GROUPS, axis="columns").loc[rows.index].dropna()
    return [
        {"name": name, "groups": groups, "total": sum(groups.values())} for name, groups in sizes.T.to_dict().items()
    ]


def _heatmaps(studies: dict[str, Record]) -> list[tuple[str, str, str, list[dict[str, Any]]]]:
    found = []
    if record := studies.get("importance"):
        maps = [
            _map(f"{row['task']}, {row['importance'].replace('_', ' ')}", _reshaped(row["heads"], row["layers"]))
            for row in record["rows"]
        ]
        note = "How much each head matters, over the largest of its map, by layer (down) and head (across)."
        found.append(("importance", "Head importance", note, maps))
    if record := studies.get("language"):
        seed = record["rows"][0]["seed"]
        entries = [row for row in record["rows"] if row["seed"] == seed and row["entropies"] is not None]
        maps = [_map(row["rung"], row["entropies"], 1.0) for row in entries]
        note = "Mean attention entropy over log T of every head, first seed: 0 attends to one word, 1 to all alike."
        found.append(("entropies", "AERO's entropy maps", note, maps))
    return found


def _reshaped(heads: Sequence[float], layers: int) -> list[list[float]]:
    across = len(heads) // layers
    return [list(heads[layer * across : (layer + 1) * across]) for layer in range(layers)]


def _map(name: str, values: Sequence[Sequence[float]], top: float | None = None) -> dict[str, Any]:
    largest = top or max(abs(value) for row in values for value in row) or 1.0
    cells = [
        [{"share": max(0.0, value / largest), "text": f"{value / largest:.2f}"} for value in row] for row in values
    ]
    return {"name": name, "rows": cells}


def _table(table: Table) -> dict[str, Any]:
    columns = [{"title": column.title, "numeric": column.decimals is not None} for column in table.columns]
    cells = [[_cell(cell, column) for cell, column in zip(row, table.columns, strict=True)] for row in table.rows]
    own = {"name": table.name, "title": table.title, "open": table.name in _OPEN, "notes": table.notes}
    return own | {"columns": columns, "rows": cells, "tex": render(table, "tex")}


def _cell(cell: Value, column: Column) -> dict[str, Any]:
    raw = None if cell is None or isinstance(cell, str) else cell
    return {"text": markdown_cell(cell, column), "raw": raw}


def _provenance(evidence: Evidence, row: str) -> dict[str, Any]:
    accuracy, costed = (lines[lines["row"] == row] for lines in (evidence.accuracy, evidence.costed))
    costs = costed.drop_duplicates(["architecture", "engine"])["record_cost"]
    return {"name": row, "records": [_origin(record) for record in (*accuracy["record"], *costs)]}


def _origin(record: Record) -> dict[str, str]:
    machine = record["environment"]["machine"]
    score = record.get("float")
    return {
        "path": file_name(record),
        "day": record["started_utc"][:10],
        "commit": (record["environment"]["commit"] or "unversioned")[:12],
        "machine": ", ".join(filter(None, [machine["cpu_model"], machine.get("gpu_model")])) or "unknown",
        "float": "" if score is None else f"{score:.2f}",
        "weights": (record.get("weights_hash") or "")[:12],
    }


@one_sentence
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 2 for bad input."""
    from pibench.results.tables import all_tables, with_claims

    parser = argparse.ArgumentParser(prog="pibench report", description="Write the report from records.")
    parser.add_argument("--records", type=Path, default=RESULTS / "records", help="folder of records (%(default)s)")
    parser.add_argument("--output", type=Path, default=Path("runs/report.html"), help="the page (%(default)s)")
    add_draft(parser)
    arguments = parser.parse_args(argv)
    records = read_all(arguments.records)
    refuse(records, arguments.draft)
    save_text(page(records, with_claims(all_tables(records))), arguments.output)
    print(arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
