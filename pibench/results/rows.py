"""The cells of table rows: scores over seeds, averages over tasks, and the costs joined to them."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean, geometric_mean, stdev

from pibench.results.cost import LINKS, Cost, combine, reduction, summarise
from pibench.results.join import REFERENCE, Row, Study, worst_status
from pibench.results.records import Record
from pibench.results.render import Cell

INFORMATIVE_MARGIN = 5.0
"""Points by which the dense model must beat the majority class for a task to enter the average."""


def informative_tasks(study: Study) -> list[str]:
    """Return the tasks on which the dense model learned something; a null majority score counts as 0."""
    found = []
    for task in study.tasks:
        records = study.of(REFERENCE, task)
        dense = score(records)
        if isinstance(dense, float):
            majority = fmean(record["majority"] or 0.0 for record in records)
            if dense >= majority + INFORMATIVE_MARGIN:
                found.append(task)
    return found


def averaged_tasks(study: Study) -> list[str]:
    """Return the tasks that means are over: the informative ones, or all where there are none."""
    return informative_tasks(study) or study.tasks


def score(records: list[Record]) -> float | str | None:
    """Return the mean float score over seeds in percent, or the worst status if any seed is not ok."""
    status = worst_status(records)
    return fmean(record["float"] for record in records) if status == "ok" else status


def average(study: Study, row: Row, tasks: list[str]) -> float | None:
    """Return the row's mean score over ``tasks`` in percent; None if it lacks one of them."""
    scores = [score(study.of(row, task)) for task in tasks]
    numbers = [value for value in scores if isinstance(value, float)]
    return fmean(numbers) if numbers and len(numbers) == len(scores) else None


def average_scores(study: Study, row: Row, tasks: list[str]) -> list[Cell]:
    """Return means over ``tasks``: float, fixed point, float on the MPC subset, MPC; and all examples under MPC.

    The two of MPC are over the seeds that ran under it.
    """
    by_task = [study.of(row, task) for task in tasks]
    if not by_task or any(worst_status(records) != "ok" for records in by_task):
        return [None] * 5
    under_mpc = [[record for record in records if record["n_mpc"]] or [records[0]] for records in by_task]
    checks = [[record["mpc_check"] or {} for record in records] for records in under_mpc]
    return [
        average(study, row, tasks),
        combine(((record["fixed"] for record in records) for records in by_task), fmean),
        combine(((check.get("float_on_subset") for check in found) for found in checks), fmean),
        combine(((record["mpc"] for record in records) for records in under_mpc), fmean),
        sum(record["n_mpc"] for records in by_task for record in records),
    ]


def loss(study: Study, row: Row, tasks: list[str], score: str = "float") -> float | None:
    """Return the points that the row loses on average over ``tasks`` to the dense model of the same seeds.

    In floats, or by the record's ``fixed`` score; None if either model lacks one.
    """
    lost = []
    for task in tasks:
        dense = {record["seed"]: record[score] for record in study.of(REFERENCE, task)}
        pairs = [(record[score], dense.get(record["seed"])) for record in study.of(row, task)]
        if not pairs or any(value is None for pair in pairs for value in pair):
            return None
        lost.append(fmean(other - own for own, other in pairs))
    return fmean(lost) if lost else None


def seeds(study: Study, row: Row) -> int | str:
    """Return the number of seeds of the row's tasks, or the least and the most where tasks differ."""
    counts = sorted({len(study.of(row, task)) for task in study.tasks} - {0})
    return counts[0] if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def cost_cells(study: Study, row: Row, tasks: list[str]) -> list[Cell]:
    """Return MB, rounds, reduction (percent) and three speed-ups of a row, over ``tasks``.

    A row with a cost that is not ok gets its status instead; one that lacks all of them, or a cost, gets nothing.
    """
    by_task = _costs_by_task(study, row, tasks)
    status = worst_status(cost for costs in by_task for cost in costs)
    if status not in (None, "ok"):
        return [status] * 6
    if not by_task or not all(by_task):
        return [None] * 6
    costs: list[list[Cost]] = [[summarise(cost, study.is_reference(cost)) for cost in found] for found in by_task]
    return [
        combine(((cost.megabytes for cost in found) for found in costs), fmean),
        combine(((cost.rounds for cost in found) for found in costs), fmean),
        reduction(combine(((cost.byte_ratio for cost in found) for found in costs), geometric_mean)),
        *(combine(((cost.speedup[link] for cost in found) for found in costs), geometric_mean) for link in LINKS),
    ]


def seconds_cells(study: Study, row: Row, tasks: list[str]) -> list[float | None]:
    """Return the mean seconds of a row over ``tasks`` on loopback, LAN and WAN; None where a cost is missing."""
    by_task = _costs_by_task(study, row, tasks)
    if not by_task or not all(by_task) or any(cost["status"] != "ok" for costs in by_task for cost in costs):
        return [None] * len(LINKS)
    costs = [[summarise(cost, study.is_reference(cost)) for cost in found] for found in by_task]
    return [combine(((cost.seconds[link] for cost in found) for found in costs), fmean) for link in LINKS]


def offline_cells(study: Study, row: Row, tasks: list[str]) -> list[Cell]:
    """Return whose the offline phase is, and the mean gigabytes that it would send; None where it is not known."""
    found = [[cost["offline"] for cost in costs] for costs in _costs_by_task(study, row, tasks)]
    if not found or not all(costs and all(costs) for costs in found):
        return [None, None]
    gigabytes = combine(((cost["bytes_if_sent"] / 1e9 for cost in costs) for costs in found), fmean)
    return [f"not counted: {found[0][0]['source']}", gigabytes]


def partial_costs(study: Study) -> list[str]:
    """Return one note for each row whose costs were measured for only some of its models."""
    found = []
    for row in study.rows:
        scored = [record for record in study.of(row) if record["status"] == "ok"]
        costed = sum(study.cost_of(record) is not None for record in scored)
        if 0 < costed < len(scored):
            found.append(f"{'/'.join(row)}: costs were measured for {costed} of {len(scored)} models.")
    return found


def accuracy_cells(records: list[Record]) -> list[Cell]:
    """Return the numbers of one task and row over its seeds: float to majority, then the number of seeds."""
    status = worst_status(records)
    if status != "ok":
        return [status, *[None] * 10, len(records)]
    scores = [record["float"] for record in records]
    checks = [record["mpc_check"] for record in records if record["mpc_check"]]
    wraps, agreed, differences = (
        [check[key] for check in checks if check[key] is not None]
        for key in ("truncation_wraps", "labels_agree", "max_logit_difference")
    )
    return [
        fmean(scores),
        stdev(scores) if len(scores) > 1 else None,
        _mean(record["fixed"] for record in records),
        _mean(record["mpc"] for record in records),
        _mean(check["float_on_subset"] for check in checks),
        sum(agreed) if agreed else None,
        max(differences, default=None),
        records[0]["n"],
        sum(record["n_mpc"] for record in records),
        sum(wraps) if wraps else None,
        _mean(record["majority"] for record in records),
        len(records),
    ]


def cost_rows(study: Study) -> list[tuple[list[Cell], Record]]:
    """Return method, variant, tasks, architecture and engine of each cost row, with its cost record.

    There is one row per method, variant and architecture; costs that no accuracy record has come last.
    """
    tasks: dict[tuple[Row, tuple[str, str]], list[str]] = {}
    for row in study.rows:
        for task in study.tasks:
            for record in study.of(row, task):
                if study.cost_of(record) is not None:
                    named = tasks.setdefault((row, (record["architecture"], record["engine"])), [])
                    named.extend([task] if task not in named else [])
    rows: list[tuple[list[Cell], Record]] = [
        ([*row, ", ".join(named), *key], study.costs[key]) for (row, key), named in tasks.items()
    ]
    joined = {key for _, key in tasks}
    rows += [([None, None, None, *key], cost) for key, cost in study.costs.items() if key not in joined]
    return rows


def _costs_by_task(study: Study, row: Row, tasks: list[str]) -> list[list[Record]]:
    """Return, for each of ``tasks``, the cost records of the row's seeds that have one; none if one is not ok."""
    by_task = [study.of(row, task) for task in tasks]
    joined = [map(study.cost_of, found if worst_status(found) == "ok" else ()) for found in by_task]
    return [[cost for cost in costs if cost is not None] for costs in joined]


def _mean(values: Iterable[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return fmean(numbers) if numbers else None
