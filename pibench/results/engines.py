"""The tables of the second engine: every method on every protocol, and AERO on the protocol of its authors."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from scipy.stats import spearmanr

from pibench.net.profiles import Network, latency
from pibench.results.join import REFERENCE
from pibench.results.methods import source
from pibench.results.records import Record
from pibench.results.render import Cell, Column, Table

_PAPER_LINK = Network("AERO's bandwidth", 100e6, rtt=0.0)
_NAMES = {"lean": "lean", "spu-semi2k": "SEMI2K", "spu-aby3": "ABY3", "spu-cheetah": "CHEETAH"}
Row = dict[str, Any]


def engines(record: Record) -> Table:
    """Return megabytes, rounds and reduction on each engine, the row of least bytes on the first engine last."""
    by_engine: dict[str, dict[tuple[str, str], Row]] = {}
    for row in record["rows"]:
        by_engine.setdefault(row["engine"], {})[row["method"], row["variant"]] = row
    first = next(iter(by_engine.values()))
    order = sorted(first, key=lambda key: (key != REFERENCE, -first[key]["bytes_total"]))
    columns = [Column("method", "method"), Column("variant", "variant")]
    for engine, own in by_engine.items():
        name = _NAMES.get(engine, engine)
        columns += [Column(f"megabytes_{engine}", f"{name} (MB)", 1), Column(f"times_{engine}", "times fewer", 2)]
        if all(row["rounds"] is not None for row in own.values()):
            columns.append(Column(f"rounds_{engine}", f"{name} rounds", 0))
    rows = [[*key, *_cells(by_engine, key)] for key in order]
    about = [
        f"Layers of the models for {record['rows'][0]['task']} (seed 0), each measured alone and added up, of 128 "
        "tokens, without embedding and head; online bytes that all parties send. Times fewer than that engine's dense.",
        *_agreement(by_engine),
        *(_stands_for(record, engine, own) for engine, own in by_engine.items()),
        "Engines of different security are not ranked against each other. Rounds stand where a protocol tells them.",
        source(record),
    ]
    return Table("engines", "Every method on every engine", columns, rows, about)


def _cells(by_engine: dict[str, dict[tuple[str, str], Row]], key: tuple[str, str]) -> list[Cell]:
    cells: list[Cell] = []
    for own in by_engine.values():
        cells += [own[key]["bytes_total"] / 1e6, own[REFERENCE]["bytes_total"] / own[key]["bytes_total"]]
        if all(row["rounds"] is not None for row in own.values()):
            cells.append(own[key]["rounds"])
    return cells


def _agreement(by_engine: dict[str, dict[tuple[str, str], Row]]) -> list[str]:
    """Return Spearman's rank correlation of the bytes of each two engines."""
    found = []
    for one, other in combinations(by_engine, 2):
        pairs = [(row["bytes_total"], by_engine[other][key]["bytes_total"]) for key, row in by_engine[one].items()]
        rank = spearmanr(*zip(*pairs, strict=True)).statistic
        found.append(f"{_NAMES.get(one, one)} and {_NAMES.get(other, other)} {rank:.2f}")
    return [f"Spearman's rank correlation of bytes over all rows: {', '.join(found)}."] if found else []


def _stands_for(record: Record, engine: str, own: dict[tuple[str, str], Row]) -> str:
    offline = next(iter(own.values()))["offline"]
    return f"{_NAMES.get(engine, engine)}: {record['security'][engine]}; offline phase {offline}."


_OPERATIONS = {
    "products": ("dot", "dot_general"),
    "tanh": ("tanh",),
    "exp": ("exponential",),
    "maxima": ("reduce", "maximum", "less", "greater", "compare", "select"),
    "multiply": ("multiply", "square", "power"),
    "inverses": ("reciprocal", "rsqrt", "divide"),
    "sines": ("sine",),
}


def engine_operations(record: Record) -> Table:
    """Return where the megabytes go on each engine that tells it: for each method its variant of least bytes."""
    columns = [
        Column("engine", "engine"),
        Column("method", "method"),
        Column("variant", "variant"),
        Column("megabytes", "MB", 1),
        Column("products", "matrix products", 1),
        Column("tanh", "tanh", 1),
        Column("exp", "exp", 1),
        Column("maxima", "maxima and comparisons", 1),
        Column("multiply", "products of numbers", 1),
        Column("inverses", "reciprocals and roots", 1),
        Column("sines", "sines", 1),
        Column("other", "other", 1),
    ]
    least: dict[tuple[str, str], Row] = {}
    for row in sorted(record["rows"], key=lambda row: row["bytes_total"]):
        if row.get("operations"):
            least.setdefault((row["engine"], row["method"]), row)
    order = list(dict.fromkeys(row["engine"] for row in record["rows"]))
    chosen = sorted(least.values(), key=lambda row: (order.index(row["engine"]), -row["bytes_total"]))
    rows: list[list[Cell]] = [
        [
            _NAMES.get(row["engine"], row["engine"]),
            row["method"],
            row["variant"],
            row["bytes_total"] / 1e6,
            *_by_operation(row["operations"]),
        ]
        for row in chosen
    ]
    about = [
        "The models of table engines; bytes by operation of the program that JAX traces, as SPU logs them. A GELU is "
        "a tanh and products of numbers, an exact softmax exponentials and maxima, a LayerNorm products and a root.",
        source(record),
    ]
    return Table("engine_operations", "Where the bytes go on SPU", columns, rows, about)


def _by_operation(operations: dict[str, float]) -> list[Cell]:
    """Return megabytes of each of :data:`_OPERATIONS`, and of all others."""
    known = [sum(operations.get(f"pphlo.{name}", 0) for name in names) for names in _OPERATIONS.values()]
    return [size / 1e6 for size in (*known, sum(operations.values()) - sum(known))]


def spu_accuracy(record: Record) -> Table:
    """Return how far SPU's logits and scores are from the floats', for each model that was run."""
    columns = [
        Column("task", "task"),
        Column("method", "method"),
        Column("variant", "variant"),
        Column("engine", "engine"),
        Column("examples", "examples", 0),
        Column("float", "float", 1),
        Column("spu", "on SPU", 1),
        Column("agree", "labels agree", 0),
        Column("difference", "largest logit difference", 3),
    ]
    rows: list[list[Cell]] = [
        [
            row["task"],
            row["method"],
            row["variant"],
            _NAMES[row["engine"]],
            row["n"],
            row["float_on_subset"],
            row["mpc"],
            row["labels_agree"],
            row["max_logit_difference"],
        ]
        for row in record["rows"]
    ]
    about = [
        "Scores of the first validation examples in floats and on SPU (18 fractional bits; GELU by tanh), seed 0, in "
        "percent; so few examples make no accuracy, only a comparison of the two.",
        source(record),
    ]
    return Table("spu_accuracy", "Float against SPU", columns, rows, about)


def aero_cheetah(record: Record) -> Table:
    """Return AERO's decoders on CHEETAH, reported against measured, and one BERT-base layer of each kind."""
    columns = [
        Column("model", "model"),
        Column("rung", "configuration"),
        Column("reported_gigabytes", "paper: GB", 2),
        Column("reported_reduction", "paper: times fewer", 2),
        Column("reported_minutes", "paper: minutes", 2),
        Column("reported_speedup", "paper: speed-up", 2),
        Column("gigabytes", "GB", 2),
        Column("reduction", "times fewer", 2),
        Column("minutes", "minutes on loopback", 2),
        Column("speedup", "speed-up on loopback", 2),
        Column("modelled_speedup", "speed-up at 100 Mbit/s, modelled", 2),
    ]
    firsts: dict[str, Row] = {}
    rows: list[list[Cell]] = []
    for row in sorted(record["rows"], key=lambda row: row["model"] != "GPT-2"):
        first = firsts.setdefault(row["model"], row)
        own, base = row["reported"] or {}, first["reported"] or {}
        rows.append(
            [
                row["model"],
                row["rung"],
                own.get("gigabytes"),
                base["gigabytes"] / own["gigabytes"] if own else None,
                own.get("minutes"),
                base["minutes"] / own["minutes"] if own else None,
                row["bytes_total"] / 1e9,
                first["bytes_total"] / row["bytes_total"],
                row["seconds"] / 60,
                first["seconds"] / row["seconds"],
                _at_paper_s_bandwidth(first) / _at_paper_s_bandwidth(row),
            ]
        )
    about = [
        "GPT-2 of 12 layers, hidden 768, 128 tokens: twelve times one layer. Embedding and vocabulary projection are "
        "in the paper's numbers and not in ours; its network and its fork's fused kernels are not ours either.",
        "CHEETAH as OpenBumbleBee sets it up, weights private to the server. Reported numbers enter no ratio with "
        "ours: each ratio is to the first row of its kind.",
        "Modelled: the seconds on loopback and the bytes at the paper's 100 Mbit/s, half of them each way at once, "
        "without its 80 ms, since CHEETAH does not tell its rounds.",
        source(record),
    ]
    return Table("aero_cheetah", "AERO on CHEETAH: reported against measured", columns, rows, about)


def _at_paper_s_bandwidth(row: Row) -> float:
    return latency(_PAPER_LINK, row["seconds"], row["bytes_total"] / 2, rounds=0)
