"""What the report shows, taken from records and tables: pandas frames for its charts, and plain values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pibench.results import notes, rows
from pibench.results.cost import GROUPS, group_megabytes
from pibench.results.frontier import Frontier
from pibench.results.join import HEADLINE, Row, Study, join
from pibench.results.records import Record, file_name
from pibench.results.render import Column, Table, markdown_cell, render

AXES = {
    "megabytes": ("Bytes on the lean engine", "MB"),
    "rounds": ("Rounds on the lean engine", "rounds"),
    "loopback": ("Latency on loopback, measured", "s"),
    "lan": ("Latency on a LAN, modelled", "s"),
    "wan": ("Latency on a WAN, modelled", "s"),
    "spu-semi2k": ("Bytes on SEMI2K, layers of CoLA's models", "MB"),
    "spu-aby3": ("Bytes on ABY3, layers of CoLA's models", "MB"),
    "spu-cheetah": ("Bytes on CHEETAH, layers of CoLA's models", "MB"),
}
"""The costs to choose from: name and unit by key."""
_SPU = ("spu-semi2k", "spu-aby3", "spu-cheetah")
_MAP = ["map", "layer", "head", "percent"]


@dataclass(frozen=True)
class PageData:
    """What the report takes from records; a frame is empty where they have nothing for it.

    ``points``: ``name``, ``seeds``, ``loss`` and a column per cost. ``sizes``: ``name``, ``group``, ``megabytes``.
    ``importance`` and ``entropies``: ``map``, ``layer``, ``head``, ``percent``. ``provenance``: the records by row.
    """

    intro: str
    seeds_note: str
    points: pd.DataFrame
    sizes: pd.DataFrame
    importance: pd.DataFrame
    entropies: pd.DataFrame
    provenance: dict[str, list[dict[str, str]]]


def page_data(records: Sequence[Record]) -> PageData:
    """Return what the report shows of ``records``; raises ``InputError`` if they do not belong together."""
    study = join(records)
    comparable = study.comparable
    tasks = rows.averaged_tasks(comparable)
    frontier = Frontier(comparable, tasks)
    studies = {record["name"]: record for record in records if record["kind"] == "study"}
    provenance = {"/".join(row): _origins(study, row) for row in frontier.ordered}
    return PageData(
        intro=_intro(study),
        seeds_note=notes.seeds(comparable),
        points=_points(frontier, studies.get("engines")),
        sizes=_frame(["name", "group", "megabytes"], (_sizes(comparable, row, tasks) for row in frontier.ordered)),
        importance=_frame(_MAP, _importances(studies.get("importance"))),
        entropies=_frame(_MAP, _entropies(studies.get("language"))),
        provenance=provenance | {"studies": [_origin(record) for record in studies.values()]},
    )


def _intro(study: Study) -> str:
    record = study.accuracy[0]
    return (
        f"{len(study.rows)} rows, one for each method and variant, on {', '.join(study.tasks)}; backbone "
        f"{record['backbone']}, sequence length {record['seq_len']}. Accuracy is in floats and in fixed point on whole "
        "validation splits, costs are of real two-party computation."
    )


def _frame(columns: list[str], frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat([pd.DataFrame(), *frames], ignore_index=True).reindex(columns=columns)


def _points(frontier: Frontier, engines: Record | None) -> pd.DataFrame:
    """Return loss and costs of the rows that have both; bytes on SPU are of the layers of one model."""
    entries = engines["rows"] if engines else []
    layers = {(row["method"], row["variant"], row["engine"]): row["bytes_total"] / 1e6 for row in entries}
    found = []
    for row in (row for row in frontier.ordered if row in frontier.points):
        own = {"name": "/".join(row), "seeds": rows.seeds(frontier.study, row), "loss": frontier.points[row].loss}
        found.append(own | frontier.prices(row) | {engine: layers.get((*row, engine)) for engine in _SPU})
    return pd.DataFrame(found, columns=["name", "seeds", "loss", *AXES])


def _sizes(study: Study, row: Row, tasks: Sequence[str]) -> pd.DataFrame:
    """Return a row's megabytes on the headline engine by operator group, mean over seeds and then over tasks."""
    found = [
        {"task": task} | group_megabytes(cost)
        for task in tasks
        for record in study.of(row, task)
        if record["engine"] == HEADLINE and (cost := study.cost_of(record)) and cost["status"] == "ok"
    ]
    frame = pd.DataFrame(found)
    if not found or set(frame["task"]) != set(tasks) or frame.isna().any(axis=None):
        return pd.DataFrame()
    means = frame.groupby("task").mean().mean()
    return pd.DataFrame({"name": "/".join(row), "group": GROUPS, "megabytes": means[list(GROUPS)].to_numpy()})


def _importances(record: Record | None) -> Iterable[pd.DataFrame]:
    for row in record["rows"] if record else ():
        heads = np.reshape(row["heads"], (row["layers"], -1))
        yield _map(f"{row['task']}, {row['importance'].replace('_', ' ')}", heads / (np.abs(heads).max() or 1.0))


def _entropies(record: Record | None) -> Iterable[pd.DataFrame]:
    entries = record["rows"] if record else []
    for row in entries:
        if row["seed"] == entries[0]["seed"] and row["entropies"] is not None:
            yield _map(row["rung"], np.array(row["entropies"]))


def _map(name: str, shares: np.ndarray) -> pd.DataFrame:
    """Return a map of shape (layers, heads) with one row per head."""
    stacked = pd.DataFrame(100 * shares).stack().rename_axis(["layer", "head"])
    return stacked.rename("percent").reset_index().assign(map=name)


def _origins(study: Study, row: Row) -> list[dict[str, str]]:
    accuracy = study.of(row)
    costs = {id(cost): cost for record in accuracy if (cost := study.cost_of(record))}
    return [_origin(record) for record in (*accuracy, *costs.values())]


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


def numbers(name: str, frame: pd.DataFrame) -> Table:
    """Return the numbers of a chart as a table with the frame's columns; two decimals for what is no integer."""
    decimals = {"f": 2, "i": 0}
    columns = [Column(title, title, decimals.get(frame[title].dtype.kind)) for title in frame]
    cells = frame.astype(object).where(frame.notna(), None)
    return Table(name, "The numbers as a table", columns, cells.to_numpy().tolist(), [])


def shown(table: Table) -> dict[str, Any]:
    """Return a table as the page's template wants it: each cell as its text and, where it is a number, its value."""
    columns = [{"title": column.title, "numeric": column.decimals is not None} for column in table.columns]
    cells = [
        [
            {"text": markdown_cell(cell, column), "raw": None if isinstance(cell, str) else cell}
            for cell, column in zip(row, table.columns, strict=True)
        ]
        for row in table.rows
    ]
    own = {"name": table.name, "title": table.title, "notes": table.notes, "tex": render(table, "tex")}
    return own | {"columns": columns, "rows": cells}
