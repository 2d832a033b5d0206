"""``pibench plan``: predict the machine-hours of a larger matrix from the one that was measured."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

import torch

from pibench.arguments import at_least
from pibench.cli.output import add_json, show
from pibench.cli.records import add_records, read_records
from pibench.cli.run import nothing_more
from pibench.engines.lean.ledger import predict
from pibench.errors import InputError, pick
from pibench.measure.options import listed
from pibench.measure.profiles import PROFILES
from pibench.model.architecture import Architecture, Layer
from pibench.model.module import Embeddings, Model
from pibench.results.mixtures import row_label
from pibench.results.records import Record
from pibench.tasks.load import sizes
from pibench.tasks.registry import TASKS, in_order, task_name

_WORDS = 30_522
_BATCH, _SEQ_LEN, _STEPS = 4, 64, 3
_RUNS_A_PAIR = 2
_SUMS = ("cells", "training (h)", "between parties (h)", "all (h)")
_BACKWARD = 3
"""How many forward passes a training step costs, by the usual rule of thumb."""


@dataclass(frozen=True)
class Size:
    """The size of a BERT: layers, hidden size, heads and inner size."""

    layers: int
    hidden: int
    heads: int
    inner: int

    @property
    def architecture(self) -> Architecture:
        """The dense encoder."""
        layer = Layer(heads=self.heads, head_size=self.hidden // self.heads, ffn_size=self.inner)
        return Architecture(self.hidden, (layer,) * self.layers, 2)


SIZES = {"minilm": Size(6, 384, 12, 1536), "base": Size(12, 768, 12, 3072), "large": Size(24, 1024, 16, 4096)}
"""MiniLM, the backbone of the results, and the two sizes of Devlin et al. (2019)."""


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    plan = commands.add_parser("plan", help="predict the machine-hours of a larger matrix")
    plan.add_argument("--sizes", default="base,large", help=f"of {', '.join(SIZES)}, comma-separated (%(default)s)")
    plan.add_argument("--tasks", default="all", help="tasks, comma-separated (default: all that are installed)")
    plan.add_argument("--seeds", type=at_least(1, 1000), default=3, help="seeds per cell (%(default)s)")
    add_records(plan)
    add_json(plan)
    plan.set_defaults(run=_plan)


def _plan(chosen: argparse.Namespace, rest: list[str]) -> int:
    nothing_more(chosen, rest)
    sizes = [pick("size", name, SIZES) for name in listed("sizes", chosen.sizes)]
    tasks = in_order(TASKS) if chosen.tasks == "all" else [task_name(name) for name in listed("tasks", chosen.tasks)]
    slower = {name: seconds_a_step(SIZES[name].architecture) for name in {*sizes, "minilm"}}
    ratios = {name: seconds / slower["minilm"] for name, seconds in slower.items()}
    show(planned(read_records(chosen), ratios, sizes, tasks, chosen.seeds), chosen.json)
    return 0


def seconds_a_step(architecture: Architecture) -> float:
    """Return the seconds of a training step, forward and backward, on this machine: the median of a few."""
    model = Model(architecture, Embeddings(_WORDS, 512, 2, architecture.hidden_size, architecture.norm_eps))
    ids, keep = torch.randint(_WORDS, (_BATCH, _SEQ_LEN)), torch.ones(_BATCH, _SEQ_LEN, dtype=torch.long)
    seconds = []
    for _ in range(_STEPS + 1):
        start = time.perf_counter()
        model(ids, torch.zeros_like(ids), keep).logits.square().mean().backward()
        seconds.append(time.perf_counter() - start)
    return median(seconds[1:])


def planned(
    records: Sequence[Record], ratios: dict[str, float], sizes: Sequence[str], tasks: Sequence[str], seeds: int
) -> list[dict[str, Any]]:
    """Return the hours of each size and task over all methods and seeds, and their sums.

    A cell takes its time at MiniLM's size on a CPU, times the ratio of the training steps' times (``ratios``). A cell
    that was not measured takes the mean over the tasks on which its row was measured, scaled by the examples that each
    trains on and scores. Runs between parties take the pairs of the full profile, each as long as MiniLM's times the
    ratio of the ledger's bytes.

    Raises:
        InputError: no cell was measured on a CPU.
    """
    cells = _all_cells(_cell_seconds(records), tasks)
    dense = _dense_seconds(records)
    found = []
    for size in sizes:
        bytes_ratio = _bytes(SIZES[size]) / _bytes(SIZES["minilm"])
        rows = [_hours(size, task, cells[task], ratios[size], dense * bytes_ratio, seeds) for task in tasks]
        found += [*rows, {"size": size, "task": "all"} | {key: sum(row[key] for row in rows) for key in _SUMS}]
    return found


def _hours(
    size: str, task: str, by_method: dict[str, float], slower: float, inference: float, seeds: int
) -> dict[str, Any]:
    training = sum(by_method.values()) * slower * seeds / 3600
    pairs = PROFILES["full"].pairs + 1  # the first is a warm-up
    parties = len(by_method) * pairs * _RUNS_A_PAIR * inference * seeds / 3600
    cells = len(by_method) * seeds
    both = {"training (h)": training, "between parties (h)": parties, "all (h)": training + parties}
    return {"size": size, "task": task, "cells": cells} | both


def _cell_seconds(records: Sequence[Record]) -> dict[str, dict[str, float]]:
    """Return the mean seconds of the cells that ran on a CPU, by task and then by method and variant."""
    taken: dict[str, dict[str, list[float]]] = {}
    for record in records:
        on_cpu = record["kind"] == "accuracy" and not record["environment"]["machine"].get("gpu_model")
        if on_cpu and record["status"] == "ok":
            row = row_label(record)
            taken.setdefault(record["task"], {}).setdefault(row, []).append(record["seconds_total"])
    if not taken:
        raise InputError("no cell was measured on a CPU: run nox -s bench -- --profile full first")
    return {task: {row: fmean(seconds) for row, seconds in rows.items()} for task, rows in taken.items()}


def _all_cells(measured: dict[str, dict[str, float]], tasks: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the seconds of every row that was measured on any task, for each of ``tasks``."""
    names = sorted({name for rows in measured.values() for name in rows})
    an_example = {
        name: fmean(rows[name] / _passes(task) for task, rows in measured.items() if name in rows) for name in names
    }
    return {
        task: {name: measured.get(task, {}).get(name, an_example[name] * _passes(task)) for name in names}
        for task in tasks
    }


def _passes(task: str) -> float:
    """Return the forward passes of a cell, a training step counted as three: recovery, then the validation split."""
    budget, examples = PROFILES["full"].budget, sizes(task)
    if examples is None:
        raise InputError(f"task {task!r} does not say how many examples it has: leave it out of --tasks")
    train, validation = examples
    return _BACKWARD * budget.epochs * min(train, budget.examples) + validation


def _dense_seconds(records: Sequence[Record]) -> float:
    """Return the median seconds of a dense inference between two parties."""
    timed = [record["baseline"]["seconds"] for record in records if record["kind"] == "cost" and record["baseline"]]
    if not timed:
        raise InputError("no latency was measured: run nox -s bench -- --profile full first")
    return median(seconds for run in timed for seconds in run)


def _bytes(size: Size) -> int:
    return predict(size.architecture, 1, PROFILES["full"].seq_len).total().bytes
