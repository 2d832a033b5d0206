"""Refuse records that do not belong in one table because they differ in a field that must agree."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pibench.engines.registry import HEADLINE
from pibench.errors import InputError
from pibench.results.records import Record


def variant_label(record: Record) -> str:
    """Return the variant of an accuracy record, with its engine where that is not the headline engine."""
    engine = "" if record["engine"] == HEADLINE else f" on {record['engine']}"
    return record["variant"] + engine


def row_label(record: Record) -> str:
    """Return METHOD/VARIANT of an accuracy record, with its engine where that is not the headline engine."""
    return f"{record['method']}/{variant_label(record)}"


def label(record: Record) -> str:
    """Return the name of a record for use in a sentence."""
    if record["kind"] == "study":
        return f"the study {record['name']}"
    if record["kind"] == "accuracy":
        return f"{row_label(record)} on {record['task']} (seed {record['seed']})"
    return f"the cost of {record['architecture']} on {record['engine']}"


def refuse_mixtures(accuracy: Sequence[Record], costs: Sequence[Record], studies: Sequence[Record]) -> None:
    """Raise :class:`InputError` naming the first two records that do not belong in one table."""
    every = [*accuracy, *costs]
    scored, measured = ([one for one in records if one["status"] == "ok"] for records in (accuracy, costs))
    rules: list[tuple[Sequence[Record], tuple[str, ...], tuple[str, ...]]] = [
        (every, (), ("schema_version", "suite_version", "seq_len")),
        (accuracy, (), ("data", "backbone", "budget")),
        (accuracy, ("task",), ("data_fingerprint",)),
        (scored, ("task",), ("n",)),
        (accuracy, ("task", "seed"), ("installed packages", "machine class")),  # losses are taken seed by seed
        (accuracy, ("method",), ("method_version",)),
        (costs, (), ("batch", "scope")),
        (every, ("engine",), ("security", "switches")),
        (measured, (), ("machine class", "installed packages")),
    ]
    for records, within, names in rules:
        for name in names:
            _refuse_difference(name, records, within)
    for name, count in Counter(map(label, [*every, *studies])).items():
        if count > 1:
            raise InputError(f"these records do not belong in one table: {name} appears twice; keep one")


def refuse_strange_baselines(costs: Sequence[Record], references: set[str]) -> None:
    """Raise :class:`InputError` naming the first cost that was measured against none of ``references``."""
    for cost in costs:
        if cost["baseline"] and cost["baseline"]["architecture"] not in references:
            raise InputError(
                f"these records do not belong in one table: {label(cost)} was measured against "
                f"{cost['baseline']['architecture']}, which is not the architecture of any dense/exact record"
            )


def _refuse_difference(name: str, records: Sequence[Record], within: tuple[str, ...]) -> None:
    """Raise if two records that agree in the fields ``within`` differ in ``name``; a null agrees with everything."""
    firsts: dict[tuple[Any, ...], Record] = {}
    for record in records:
        value = _compared(name, record)
        if value is None:
            continue
        first = firsts.setdefault(tuple(record[key] for key in within), record)
        if value != (stated := _compared(name, first)):
            raise InputError(
                f"these records do not belong in one table: {name} is {json.dumps(stated)} for "
                f"{label(first)} but {json.dumps(value)} for {label(record)}; keep them in separate folders"
            )


def _compared(name: str, record: Record) -> Any:
    """Return the settings that must agree; a budget's seed and whether tuples are made in advance may differ."""
    environment = record["environment"]
    if name == "installed packages":
        return environment["packages"]
    if name == "machine class":
        machines = {"": environment["machine"], "peer's ": environment.get("peer") or {}}
        kinds = ("cpu_model", "gpu_model", "cores")
        found = {f"{whose}{kind}": machine.get(kind) for whose, machine in machines.items() for kind in kinds}
        return found | {"threads": environment["threads"]}
    if name == "budget":
        return record["budget"] | {"seed": None}
    if name == "switches":
        return record["switches"] and {key: on for key, on in record["switches"].items() if key != "prefetch"}
    return record[name]
