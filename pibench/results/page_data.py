"""What the report shows, taken from records and tables: pandas frames for its charts, and plain values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pibench.engines.registry import HEADLINE, title_of
from pibench.results import notes
from pibench.results.cost import GROUPS, LINKS
from pibench.results.evidence import Evidence, join
from pibench.results.records import Record, file_name
from pibench.results.render import MISSING, Column, Table, render
from pibench.results.summary import over_tasks, summary

_SPU = ("spu-semi2k", "spu-aby3", "spu-cheetah")
AXES = {
    "megabytes": ("Bytes on the lean engine", "MB"),
    "rounds": ("Rounds on the lean engine", "rounds"),
    "loopback": ("Latency on loopback, measured", "s"),
    "lan": ("Latency on a LAN, modelled", "s"),
    "wan": ("Latency on a WAN, modelled", "s"),
    **{engine: (f"Bytes on {title_of(engine)}, layers of CoLA's models", "MB") for engine in _SPU},
}
"""The costs to choose from: name and unit by key."""
_MAP = ["map", "layer", "head", "percent"]


@dataclass(frozen=True)
class PageData:
    """What the report takes from records; a frame is empty where they have nothing for it.

    ``points``: ``name``, ``seeds``, ``loss``, its interval ``low`` and ``high``, ``apart`` (the rows whose loss
    differs), and a column per cost. ``sizes``: ``name``, ``group``, ``megabytes``. ``importance`` and ``entropies``:
    ``map``, ``layer``, ``head``, ``percent``. ``provenance``: the records by row.
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
    evidence = join(records)
    comparable = evidence.comparable
    lines = summary(comparable, comparable.averaged)
    studies = {record["name"]: record for record in records if record["kind"] == "study"}
    provenance = {name: _origins(evidence, name) for name in lines.index}
    return PageData(
        intro=_intro(evidence),
        seeds_note=" ".join([notes.seeds(comparable), *notes.uninformative(comparable)]),
        points=_points(lines, studies.get("engines")),
        sizes=_sizes(comparable, lines.index),
        importance=_frame(_importances(studies.get("importance"))),
        entropies=_frame(_entropies(studies.get("language"))),
        provenance=provenance | {"studies": [_origin(record) for record in studies.values()]},
    )


def _intro(evidence: Evidence) -> str:
    record = evidence.accuracy["record"].iloc[0]
    return (
        f"{len(evidence.rows)} rows, one for each method and variant, on {', '.join(evidence.tasks)}; backbone "
        f"{record['backbone']}, sequence length {record['seq_len']}. Accuracy is in floats and in fixed point on whole "
        "validation splits, costs are of real two-party computation."
    )


def _frame(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat([pd.DataFrame(), *frames], ignore_index=True).reindex(columns=_MAP)


def _points(lines: pd.DataFrame, engines: Record | None) -> pd.DataFrame:
    """Return loss and costs of the rows that have both; bytes on SPU are of the layers of one model."""
    found = lines[lines["frontier"].notna()].rename(columns={f"seconds_{link}": link for link in LINKS})
    found = found.assign(name=found.index.astype(str), loss=found["counted_loss"])
    for engine in _SPU:
        entries = [row for row in (engines["rows"] if engines else ()) if row["engine"] == engine]
        layers = {f"{row['method']}/{row['variant']}": row["bytes_total"] / 1e6 for row in entries}
        found[engine] = [layers.get(name) for name in found.index]
    found = found.assign(low=found["counted_loss_low"], high=found["counted_loss_high"])
    return found.reset_index(drop=True)[["name", "seeds", "loss", "low", "high", "apart", *AXES]]


def _sizes(evidence: Evidence, order: Iterable[str]) -> pd.DataFrame:
    """Return each row's megabytes on the headline engine by operator group, mean over seeds and then over tasks."""
    costs = evidence.costed[evidence.costed["engine"] == HEADLINE]
    columns = [f"megabytes_{group}" for group in GROUPS]
    sizes = over_tasks(costs, columns, evidence.averaged).set_axis(GROUPS, axis="columns").reindex(order).dropna()
    sizes.index = sizes.index.astype(str)
    return sizes.rename_axis("name").reset_index().melt("name", GROUPS, "group", "megabytes")


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


def _origins(evidence: Evidence, row: str) -> list[dict[str, str]]:
    accuracy, costed = (lines[lines["row"] == row] for lines in (evidence.accuracy, evidence.costed))
    costs = costed.drop_duplicates(["architecture", "engine"])["record_cost"]
    return [_origin(record) for record in (*accuracy["record"], *costs)]


def _origin(record: Record) -> dict[str, str]:
    machine = record["environment"]["machine"]
    score = record.get("float")
    return {
        "path": file_name(record),
        "day": record["started_utc"][:10],
        "commit": notes.commit(record),
        "machine": ", ".join(filter(None, [machine["cpu_model"], machine.get("gpu_model")])) or "unknown",
        "float": "" if score is None else f"{score:.2f}",
        "weights": (record.get("weights_hash") or "")[:12],
    }


def numbers(name: str, frame: pd.DataFrame) -> Table:
    """Return the numbers of a chart as a table with the frame's columns; two decimals for what is no integer."""
    decimals = {"f": 2, "i": 0}
    columns = [Column(title, title, decimals.get(frame[title].dtype.kind)) for title in frame]
    return Table(name, "The numbers as a table", frame, columns, [])


def shown(table: Table) -> dict[str, Any]:
    """Return a table as the page's template wants it: each cell as its text and, where it is a number, its value."""
    columns = [{"title": column.title, "numeric": column.decimals is not None} for column in table.columns]
    cells = [
        [
            {"text": MISSING if text is None else text, "raw": None if isinstance(cell, str) else cell}
            for cell, text in zip(row, texts, strict=True)
        ]
        for row, texts in zip(table.rows, table.texts, strict=True)
    ]
    own = {"name": table.name, "title": table.title, "notes": table.notes, "tex": render(table, "tex")}
    return own | {"columns": columns, "rows": cells}
