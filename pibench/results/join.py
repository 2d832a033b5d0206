"""Join accuracy and cost records into one study, and refuse records that do not belong together."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from operator import itemgetter
from typing import Any

from pibench.errors import InputError
from pibench.results.records import Record
from pibench.tasks.registry import in_order

REFERENCE = ("dense", "exact")
"""The row that every loss, reduction and speed-up refers to."""
HEADLINE = "lean"
"""The engine of that row; the rows of other engines say which one they are of."""

_WORST_FIRST = ("failed", "timeout", "skipped", "ok")
Row = tuple[str, str]
"""Method and variant; with the engine, where that is not the headline engine (see :func:`row_of`)."""


@dataclass(frozen=True)
class Study:
    """Records that belong together: accuracy records, and cost records by (architecture, engine)."""

    accuracy: tuple[Record, ...]
    costs: dict[tuple[str, str], Record]

    @property
    def records(self) -> list[Record]:
        """All records, accuracy first."""
        return [*self.accuracy, *self.costs.values()]

    @cached_property
    def tasks(self) -> list[str]:
        """The tasks present, in the order of tables; those that are not installed come last."""
        return in_order(record["task"] for record in self.accuracy)

    @cached_property
    def rows(self) -> list[Row]:
        """The (method, variant) pairs present: the reference first, then the rest of its method."""
        present = {row_of(record) for record in self.accuracy}
        return sorted(present, key=lambda row: (row != REFERENCE, row[0] != REFERENCE[0], row))

    @cached_property
    def references(self) -> set[str]:
        """Keys of the dense architectures."""
        found = {record["architecture"] for record in self.of(REFERENCE) if record["architecture"]}
        return found or {record["baseline"]["architecture"] for record in self.costs.values() if record["baseline"]}

    def of(self, row: Row, task: str | None = None) -> list[Record]:
        """Return the accuracy records of a row, or of one task in it, by task and seed."""
        return [record for record in self.accuracy if row_of(record) == row and task in (None, record["task"])]

    @cached_property
    def comparable(self) -> Study:
        """The same, of the seeds alone that all rows of a task have; if there are none, of the one that most have.

        What failed stays, whatever its seed.
        """
        kept = {task: self._seeds(task) for task in self.tasks}
        failed = ("failed", "timeout")
        return replace(
            self,
            accuracy=tuple(one for one in self.accuracy if one["seed"] in kept[one["task"]] or one["status"] in failed),
        )

    def _seeds(self, task: str) -> set[int]:
        by_row = [{record["seed"] for record in self.of(row, task)} for row in self.rows]
        present = [seeds for seeds in by_row if seeds]
        counts = Counter(seed for seeds in present for seed in sorted(seeds))
        return set.intersection(*present) or {counts.most_common(1)[0][0]}

    def cost_of(self, accuracy: Record) -> Record | None:
        """Return the cost record of an accuracy record's architecture and engine, if there is one."""
        return self.costs.get((accuracy["architecture"], accuracy["engine"]))

    def is_reference(self, cost: Record) -> bool:
        """Say whether a cost record is that of the dense model on the headline engine."""
        return cost["engine"] == HEADLINE and cost["architecture"] in self.references


def row_of(record: Record) -> Row:
    """Return the row of an accuracy record."""
    variant = record["variant"]
    return record["method"], variant if record["engine"] == HEADLINE else f"{variant} on {record['engine']}"


def worst_status(records: Iterable[Record]) -> str | None:
    """Return the worst status among ``records``; None if there are none."""
    return min((record["status"] for record in records), key=_WORST_FIRST.index, default=None)


def label(record: Record) -> str:
    """Return how a sentence names a record."""
    if record["kind"] == "study":
        return f"the study {record['name']}"
    if record["kind"] == "accuracy":
        return f"{'/'.join(row_of(record))} on {record['task']} (seed {record['seed']})"
    return f"the cost of {record['architecture']} on {record['engine']}"


def join(records: Iterable[Record]) -> Study:
    """Return the study that ``records`` make, in an order that does not depend on theirs.

    Raises :class:`InputError` naming the first two records that do not belong in one table.
    """
    by_kind: dict[str, list[Record]] = {"accuracy": [], "cost": [], "study": []}
    for record in records:
        by_kind[record["kind"]].append(record)
    accuracy = sorted(by_kind["accuracy"], key=lambda r: (r["task"], *row_of(r), r["seed"]))
    costs = sorted(by_kind["cost"], key=lambda r: (r["architecture"], r["engine"]))
    _refuse_mixtures(accuracy, costs)
    _refuse_twins(accuracy + costs)
    _refuse_twins(sorted(by_kind["study"], key=label))
    study = Study(tuple(accuracy), {(cost["architecture"], cost["engine"]): cost for cost in costs})
    for cost in costs:
        if cost["baseline"] and cost["baseline"]["architecture"] not in study.references:
            raise InputError(
                f"these records do not belong in one table: {label(cost)} was measured against "
                f"{cost['baseline']['architecture']}, which is not the architecture of any dense/exact record"
            )
    return study


def _refuse_mixtures(accuracy: list[Record], costs: list[Record]) -> None:
    for key in ("schema_version", "suite_version", "seq_len"):
        _agree(accuracy + costs, key, itemgetter(key))
    for key in ("data", "backbone"):
        _agree(accuracy, key, itemgetter(key))
    _agree(accuracy, "budget", lambda record: {**record["budget"], "seed": None})
    for task in sorted({record["task"] for record in accuracy}):
        of_task = [record for record in accuracy if record["task"] == task]
        _agree(of_task, "data_fingerprint", itemgetter("data_fingerprint"))
        _agree([record for record in of_task if record["status"] == "ok"], "n", itemgetter("n"))
        for seed in sorted({record["seed"] for record in of_task}):  # losses are taken seed by seed
            of_seed = [record for record in of_task if record["seed"] == seed]
            _agree(of_seed, "installed packages", _packages)
            _agree(of_seed, "machine class", _machine_class)
    for method in sorted({record["method"] for record in accuracy}):
        of_method = [record for record in accuracy if record["method"] == method]
        _agree(of_method, "method_version", itemgetter("method_version"))
    for key in ("batch", "scope"):
        _agree(costs, key, itemgetter(key))
    for engine in sorted({record["engine"] for record in accuracy + costs}):
        of_engine = [record for record in accuracy + costs if record["engine"] == engine]
        _agree(of_engine, "security", itemgetter("security"))
        _agree(of_engine, "switches", _switches)
    measured = [cost for cost in costs if cost["status"] == "ok"]
    _agree(measured, "machine class", _machine_class)
    _agree(measured, "installed packages", _packages)


def _packages(record: Record) -> dict[str, str | None]:
    return record["environment"]["packages"]


def _switches(record: Record) -> dict[str, Any] | None:
    """Return what decides a score or a cost; that tuples are made in advance decides neither."""
    return record["switches"] and {name: on for name, on in record["switches"].items() if name != "prefetch"}


def _machine_class(record: Record) -> dict[str, Any]:
    own, peer = record["environment"]["machine"], record["environment"].get("peer")
    machines = {"": own} | ({"peer's ": peer} if peer else {})
    kinds = ("cpu_model", "gpu_model", "cores")
    found = {f"{whose}{kind}": machine.get(kind) for whose, machine in machines.items() for kind in kinds}
    return found | {"threads": record["environment"]["threads"]}


def _agree(records: list[Record], name: str, value: Callable[[Record], Any]) -> None:
    """Raise if two records differ in ``value``; a null agrees with everything."""
    stated = [(value(record), record) for record in records if value(record) is not None]
    for other, record in stated[1:]:
        first, witness = stated[0]
        if other != first:
            raise InputError(
                f"these records do not belong in one table: {name} is {json.dumps(first)} for "
                f"{label(witness)} but {json.dumps(other)} for {label(record)}; keep them in separate folders"
            )


def _refuse_twins(records: list[Record]) -> None:
    """Raise if a cell was recorded twice; ``records`` are sorted, so twins are neighbours."""
    for first, second in pairwise(records):
        if label(first) == label(second):
            raise InputError(f"these records do not belong in one table: {label(first)} is there twice; keep one")
