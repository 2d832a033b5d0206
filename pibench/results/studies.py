"""The tables of studies, from their raw rows; first those of the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

from pibench.net.profiles import NETWORKS
from pibench.results import reliability
from pibench.results.cost import MODELLED, modelled_seconds
from pibench.results.decoders import decoder_costs, language
from pibench.results.engines import aero_cheetah, engine_operations, engines, spu_accuracy
from pibench.results.methods import importance, methods_ablation, source
from pibench.results.operators import operators
from pibench.results.records import Record
from pibench.results.render import Cell, Column, Table
from pibench.results.stats import paired_ratio

Row = dict[str, Any]
_COST = [
    Column("megabytes", "MB", 2),
    Column("rounds", "rounds", 0),
    Column("seconds", "loopback (s)", 3),
    Column("compute", "of it compute (s)", 3),
    Column("lan", "LAN (s, modelled)", 2),
    Column("wan", "WAN (s, modelled)", 2),
    Column("offline_elements", "offline (dealer): million elements", 1),
    Column("offline_gigabytes", "GB if sent", 2),
    Column("offline_seconds", "made in (s)", 2),
]
_RATIO = [
    Column("ratio", "time over lean", 2),
    Column("low", "95 % low", 2),
    Column("high", "95 % high", 2),
]
_NOTES = [
    "Online megabytes (1e6 bytes, both directions) and rounds are counted at the wire and equal the ledger's.",
    "Seconds are medians between two processes on one machine. LAN and WAN are modelled from compute, bytes and "
    "rounds; a round is half a round trip on raw sockets, two on gloo.",
    "The dealer's offline phase is in no total: what it brings is counted as if every tuple were sent to both parties.",
]


def study_tables(records: Iterable[Record]) -> list[Table]:
    """Return the tables of each study among ``records``."""
    found = {record["name"]: record for record in records if record["kind"] == "study"}
    return [build(found[name]) for name, builders in BUILD.items() if name in found for build in builders]


def _table(record: Record, title: str, columns: list[Column], rows: list[list[Cell]], notes: list[str]) -> Table:
    return Table(f"engine_{record['name']}", title, columns, rows, [*notes, source(record)])


def _cost(row: Row) -> list[Cell]:
    compute = median(row["compute_seconds"])
    modelled: list[Cell] = [modelled_seconds(row, NETWORKS[name]) for name in MODELLED]
    offline = [row["offline_elements"] / 1e6, row["offline_bytes_if_sent"] / 1e9]
    made = median(row["offline_seconds"]) if row["offline_seconds"] else "in the clock"
    return [row["bytes_total"] / 1e6, row["rounds"], median(row["seconds"]), compute, *modelled, *offline, made]


def _ratio(row: Row) -> list[Cell]:
    if row["reference_seconds"] is None:
        return [None] * 3
    ratio = paired_ratio(row["seconds"], row["reference_seconds"])
    return [ratio.median, ratio.low, ratio.high]


def ablation(record: Record) -> Table:
    """Return what the engine costs with each switch off, over the engine with all of them on."""
    rows = [[row["setup"], *_cost(row), *_ratio(row)] for row in record["rows"]]
    title = "Engine switches: one dense layer (384/12/1536) and its head, sequence length 128, batch 1"
    return _table(record, title, [Column("setup", "setup"), *_COST, *_RATIO], rows, _NOTES)


def profile(record: Record) -> Table:
    """Return where the time of one layer goes, operator by operator."""
    columns = [
        Column("setup", "setup"),
        Column("operator", "operator"),
        Column("milliseconds", "ms", 1),
        Column("wire", "of it on the wire (ms)", 1),
        Column("share", "share of the time (%)", 1),
        Column("megabytes", "MB", 2),
        Column("rounds", "rounds", 0),
    ]
    whole: dict[str, float] = {}
    for row in record["rows"]:
        whole[row["setup"]] = whole.get(row["setup"], 0.0) + median(row["seconds"])
    rows: list[list[Cell]] = []
    for row in record["rows"]:
        seconds, wire = median(row["seconds"]), median(row["wire_seconds"])
        share = 100 * seconds / whole[row["setup"]]
        megabytes = row["bytes_total"] / 1e6
        rows.append([row["setup"], row["operator"], 1e3 * seconds, 1e3 * wire, share, megabytes, row["rounds"]])
    about = ["Medians at the server, two processes on one machine; the wire includes waiting for the other party."]
    return _table(record, "Engine: where the time of one layer and its head goes", columns, rows, about)


def model(record: Record) -> Table:
    """Return what a whole model costs, lean and on CrypTen's own tensors."""
    rows = [[row["setup"], row["batch"], *_cost(row), *_ratio(row)] for row in record["rows"]]
    columns = [Column("setup", "setup"), Column("batch", "batch", 0), *_COST, *_RATIO]
    return _table(record, "Engine: a whole model of MiniLM's size, sequence length 128", columns, rows, _NOTES)


def scaling(record: Record) -> Table:
    """Return what a layer costs as batch or sequence length grows."""
    memory = Column("memory", "peak memory of a party (GB)", 2)
    rows = [
        [row["setup"], row["batch"], row["seq_len"], *_cost(row), row["peak_memory_bytes"] / 1e9]
        for row in record["rows"]
    ]
    columns = [Column("setup", "setup"), Column("batch", "batch", 0), Column("seq_len", "length", 0), *_COST, memory]
    return _table(record, "Engine: scaling of one layer and its head", columns, rows, _NOTES)


def wraps(record: Record) -> Table:
    """Return how many inferences a truncation wrap corrupted, and whether every one of them was seen."""
    columns = [
        Column("fraction_bits", "fractional bits", 0),
        Column("inferences", "layer inferences", 0),
        Column("wraps", "wraps counted", 0),
        Column("corrupted", "inferences with a wrap", 0),
        Column("wrong", "inferences with a wrong result", 0),
        Column("undetected", "wrong without a wrap counted", 0),
        Column("largest_difference", "largest logit difference without a wrap", 3),
    ]
    rows = [[row[column.key] for column in columns] for row in record["rows"]]
    about = [
        "Truncation divides each party's share by itself and goes wrong where the two wrap around the ring. The audit "
        "compares the top bytes of both shares before every division (which a real run cannot do).",
        "A result is wrong if a logit differs from float by more than 0.5.",
    ]
    return _table(record, "Engine: truncation wraps", columns, rows, about)


def precision(record: Record) -> Table:
    """Return scores in emulated fixed point against the number of fractional bits."""
    columns = [
        Column("task", "task"),
        Column("fraction_bits", "fractional bits", 0),
        Column("score", "fixed point (%)", 1),
        Column("float", "float (%)", 1),
        Column("labels_agree", "same label (%)", 1),
        Column("mean_difference", "mean logit difference", 4),
        Column("largest_difference", "largest logit difference", 3),
        Column("expected_wraps", "wraps expected an inference", 6),
        Column("examples", "n", 0),
    ]
    rows = [[row[column.key] for column in columns] for row in record["rows"]]
    about = ["On the selection split, cut from train, because the precision is chosen here; no wraps injected."]
    return _table(record, "Engine: accuracy against precision", columns, rows, about)


def network(record: Record) -> Table:
    """Return measured and modelled latency on emulated links."""
    columns = [
        Column("link", "link"),
        Column("setup", "setup"),
        Column("megabytes", "MB", 2),
        Column("rounds", "rounds", 0),
        Column("measured", "measured (s)", 3),
        Column("modelled", "modelled (s)", 3),
        Column("difference", "difference (%)", 1),
        Column("runs", "n", 0),
    ]
    rows: list[list[Cell]] = []
    for row in record["rows"]:
        measured, modelled = median(row["seconds"]), row["modelled"]
        difference = 100 * (modelled / measured - 1)
        count = len(row["seconds"])
        megabytes = row["bytes_total"] / 1e6
        rows.append([row["link"], row["setup"], megabytes, row["rounds"], measured, modelled, difference, count])
    about = [
        "The model takes compute from a run on loopback; the link is emulated between two network namespaces.",
        "On the LAN the program that delays packets, itself a process on these cores, takes a notable part of a round.",
    ]
    return _table(record, "Engine: the latency model against an emulated link", columns, rows, about)


BUILD: dict[str, tuple[Callable[[Record], Table], ...]] = {
    "ablation": (ablation,),
    "profile": (profile,),
    "model": (model,),
    "scaling": (scaling,),
    "wraps": (wraps,),
    "precision": (precision,),
    "network": (network,),
    "importance": (importance,),
    "methods_ablation": (methods_ablation,),
    "operators": (operators,),
    "language": (language,),
    "decoder_costs": (decoder_costs,),
    "engines": (engines, engine_operations),
    "aero_cheetah": (aero_cheetah,),
    "spu_accuracy": (spu_accuracy,),
    "reliability_faults": (reliability.faults,),
    "reliability_interruptions": (reliability.interruptions,),
    "reliability_transcripts": (reliability.transcripts,),
    "reliability_leak": (reliability.leak,),
    "reliability_inputs": (reliability.inputs,),
}
"""The builders of each study's tables, by the study's name."""
