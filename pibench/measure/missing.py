"""Measures costs that accuracy records lack, with random weights, since a cost depends only on shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from pibench.engines.registry import HEADLINE
from pibench.errors import InputError
from pibench.measure.cost import at_random, blank_cost, measure_cost, runner_of
from pibench.measure.run import CellFailed, run_cell
from pibench.measure.workbench import Workbench
from pibench.model.architecture import Architecture
from pibench.results.records import Record

Wanted = tuple[Architecture, str]
"""An architecture, and the engine that it is to run on."""


def missing(records: Iterable[Record], seq_len: int) -> list[Wanted]:
    """Return the architectures of accuracy records that have no cost record at that sequence length."""
    finished = [record for record in records if record["status"] == "ok" and record.get("seq_len") == seq_len]
    there = {(record["architecture"], record["engine"]) for record in finished if record["kind"] == "cost"}
    wanted = {
        (record["architecture"], record["engine"]): record["architecture_spec"]
        for record in finished
        if record["kind"] == "accuracy" and record["architecture"]
    }
    return [(Architecture.from_spec(spec), key[1]) for key, spec in sorted(wanted.items()) if key not in there]


def dense_like(records: Iterable[Record], architecture: Architecture) -> Architecture:
    """Return the dense architecture that an architecture is timed against.

    Raises:
        InputError: no dense model with as many outputs was recorded.
    """
    for record in records:
        if record["kind"] == "accuracy" and (record["method"], record["engine"]) == ("dense", HEADLINE):
            dense = Architecture.from_spec(record["architecture_spec"])
            if dense.outputs == architecture.outputs:
                return dense
    raise InputError("these records have no dense model to compare with: run --methods dense first")


def measure_missing(bench: Workbench, records: list[Record], pairs: int, log: Callable[[str], None]) -> int:
    """Measure every missing cost against the dense model in ``pairs`` pairs; return how many of them failed.

    Each record is written at once. A failure is logged and recorded, and stops no other measurement.
    """
    seq_len, failed = bench.plan.seq_len, 0
    for architecture, engine in missing(records, seq_len):
        log(f"{architecture.key} on {engine}")
        sample = at_random(architecture, seq_len=seq_len)
        own = runner_of(bench, engine, sample)
        beside = runner_of(bench, HEADLINE, at_random(dense_like(records, architecture), seq_len=seq_len))
        try:
            run_cell(bench, blank_cost(bench, engine, sample), partial(measure_cost, own, beside, pairs))
        except CellFailed as error:
            log(f"  {error}")
            failed += 1
    return failed
