"""Every method on every engine, and where the bytes go on SPU."""

from __future__ import annotations

from itertools import combinations

import pandas as pd
from scipy.stats import spearmanr

from pibench.engines.registry import title_of
from pibench.results.frames import REFERENCE
from pibench.results.records import Record
from pibench.results.render import ROW, Column, Table

_OPERATIONS = {
    "products": ("matrix products", ["dot", "dot_general"]),
    "tanh": ("tanh", ["tanh"]),
    "exp": ("exp", ["exponential"]),
    "maxima": ("maxima and comparisons", ["reduce", "maximum", "less", "greater", "compare", "select"]),
    "multiply": ("products of numbers", ["multiply", "square", "power"]),
    "inverses": ("reciprocals and roots", ["reciprocal", "rsqrt", "divide"]),
    "sines": ("sines", ["sine"]),
}


def tables(record: Record) -> list[Table]:
    """Return the methods on each engine, and the operations of each engine that reports them."""
    rows = pd.DataFrame(record["rows"])
    rows = rows.assign(
        name=rows["engine"].map(title_of),
        megabytes=rows["bytes_total"] / 1e6,
        row=rows["method"] + "/" + rows["variant"],
    )
    return [_methods(record, rows), _operations(record, rows)]


def _methods(record: Record, rows: pd.DataFrame) -> Table:
    """Return megabytes, rounds and reduction on each engine, the row with the fewest bytes on the first engine last."""
    engines = rows[["engine", "name"]].drop_duplicates().set_index("engine")["name"]
    megabytes, rounds = (rows.pivot(index="row", columns="engine", values=key) for key in ("megabytes", "rounds"))
    columns = [*ROW]
    frame = rows[["row", "method", "variant"]].drop_duplicates().set_index("row")
    for engine, name in engines.items():
        own = megabytes[engine]
        frame = frame.assign(**{f"megabytes_{engine}": own, f"times_{engine}": own[REFERENCE] / own})
        columns += [Column(f"megabytes_{engine}", f"{name} (MB)", 1), Column(f"times_{engine}", "times fewer", 2)]
        if rounds[engine].notna().all():
            frame = frame.assign(**{f"rounds_{engine}": rounds[engine]})
            columns.append(Column(f"rounds_{engine}", f"{name} rounds", 0))
    frame = frame.assign(other=frame.index != REFERENCE)
    frame = frame.sort_values(["other", f"megabytes_{engines.index[0]}"], ascending=[True, False])
    firsts = rows.drop_duplicates("engine")
    about = [
        f"Layers of the models for {record['rows'][0]['task']} (seed 0) at 128 tokens, each measured separately and "
        "added up, without embedding and head; online bytes that all parties send. Times fewer: than the dense model "
        "on the same engine.",
        *_agreement(megabytes, engines),
        *(
            f"{row.name}: {record['security'][row.engine]}; offline phase {row.offline}."
            for row in firsts[["name", "engine", "offline"]].itertuples(index=False)
        ),
        "Engines of different security are not ranked against each other. Rounds are given where a protocol reports "
        "them.",
    ]
    return Table("engines", "Every method on every engine", frame, columns, about)


def _agreement(megabytes: pd.DataFrame, engines: pd.Series) -> list[str]:
    """Return Spearman's rank correlation of bytes for each pair of engines."""
    found = [
        f"{engines[one]} and {engines[other]} {spearmanr(*megabytes[[one, other]].dropna().to_numpy().T).statistic:.2f}"
        for one, other in combinations(engines.index, 2)
    ]
    return [f"Spearman's rank correlation of bytes over all rows: {', '.join(found)}."] if found else []


def _operations(record: Record, rows: pd.DataFrame) -> Table:
    """Return where the megabytes go on each engine that reports it, for the cheapest variant of each method."""
    told = rows[[bool(row.get("operations")) for row in record["rows"]]].sort_values("bytes_total", kind="stable")
    least = told.drop_duplicates(["engine", "method"])
    place = least["engine"].map({engine: place for place, engine in enumerate(rows["engine"].unique())})
    least = least.assign(place=place).sort_values(["place", "bytes_total"], ascending=[True, False])
    operations = pd.DataFrame(list(least.get("operations", [])), least.index).fillna(0)
    for key, (_, names) in _OPERATIONS.items():
        known = [name for name in map("pphlo.{}".format, names) if name in operations]
        least = least.assign(**{key: operations[known].sum(axis="columns") / 1e6})
        operations = operations.drop(columns=known)
    least = least.assign(engine=least["name"], other=operations.sum(axis="columns") / 1e6)
    columns = [
        Column("engine", "engine"),
        *ROW,
        Column("megabytes", "MB", 1),
        *(Column(key, title, 1) for key, (title, _) in _OPERATIONS.items()),
        Column("other", "other", 1),
    ]
    about = [
        "The models of table engines; bytes by operation of the program that JAX traces, as SPU logs them. A GELU "
        "consists of a tanh and products of numbers, an exact softmax of exponentials and maxima, a LayerNorm of "
        "products and an inverse square root.",
    ]
    return Table("engine_operations", "Where the bytes go on SPU", least, columns, about)
