"""``pibench compare`` and ``pibench explain``: what records say about two methods, or about one cell."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from pibench.cli.output import add_json, show
from pibench.cli.run import nothing_more
from pibench.errors import InputError, pick
from pibench.measure.plan import Cell
from pibench.methods.contract import Variant
from pibench.results import rows
from pibench.results.cost import LINKS, group_megabytes, summarise
from pibench.results.join import Row, Study, join
from pibench.results.records import RESULTS, Record, file_name, read_all
from pibench.results.stats import FEWEST, LEVEL, ahead


def add(commands: Any) -> None:
    """Add the commands to the parser's."""
    two = commands.add_parser("compare", help="is one method ahead of another?")
    two.add_argument("one", metavar="METHOD/VARIANT", help="such as ig3d/within_2.3; pibench list names them")
    two.add_argument("other", metavar="METHOD/VARIANT")
    one = commands.add_parser("explain", help="everything about one cell, such as cola-ig3d-within_2.3-s0")
    one.add_argument("cell", help="TASK-METHOD-VARIANT-sSEED")
    for parser, run in ((two, _compare), (one, _explain)):
        parser.add_argument("--records", type=Path, default=RESULTS / "records", help="folder of records (%(default)s)")
        add_json(parser)
        parser.set_defaults(run=run)


def _compare(chosen: argparse.Namespace, rest: list[str]) -> int:
    nothing_more(chosen, rest)
    show(compared(join(read_all(chosen.records)), chosen.one, chosen.other), chosen.json)
    return 0


def compared(study: Study, one: str, other: str) -> list[dict[str, Any]]:
    """Return what two rows, METHOD/VARIANT, have on the tasks and seeds that both were measured on.

    Numbers are means within a task, then over the informative tasks. Two rows may share seeds that not all rows have,
    to which the tables keep.

    Raises:
        InputError: a row is unknown, or they have no task and seed in common.
    """
    known: dict[str, Row] = {"/".join(row): row for row in study.rows}
    chosen = [known[pick("row", name, known)] for name in (one, other)]
    pair, tasks = _common(study, chosen)
    if not tasks:
        raise InputError(f"{one} and {other} have no task and seed in common: measure both on one")
    scores = [[fmean(record["float"] for record in pair.of(row, task)) for task in tasks] for row in chosen]
    found = [("accuracy (%), mean", [fmean(own) for own in scores], _verdict(ahead(*scores), len(tasks)))]
    costs = [[*rows.cost_cells(pair, row, tasks)[:2], *rows.seconds_cells(pair, row, tasks)] for row in chosen]
    how = ("counted", "counted", _told_apart(pair, chosen), "modelled", "modelled")
    names = ("MB", "rounds", *(f"seconds, {link}" for link in LINKS))
    for name, own, others, known_by in zip(names, *costs, how, strict=True):
        if isinstance(own, int | float) and isinstance(others, int | float):
            found.append((name, [own, others], f"{others / own:.2f} times, {known_by}"))
    counted = {"tasks": len(tasks), "pairs": len(pair.of(chosen[0]))}
    return [
        {"quantity": name, one: means[0], other: means[1], "verdict": verdict} | counted
        for name, means, verdict in found
    ]


def _common(study: Study, chosen: Sequence[Row]) -> tuple[Study, list[str]]:
    """Return the study of what rows have in common and finished, and its tasks: the informative ones, or else all."""
    cells = [{(r["task"], r["seed"]) for r in study.of(row) if r["status"] == "ok"} for row in chosen]
    common = set.intersection(*cells)
    tasks = {task for task, _ in common}
    told = tasks & set(rows.informative_tasks(study)) or tasks
    own = [record for row in set(chosen) for record in study.of(row)]
    kept = tuple(r for r in own if (r["task"], r["seed"]) in common and r["task"] in told)
    return replace(study, accuracy=kept), sorted(told)


def _verdict(chance: float | None, tasks: int) -> str:
    if chance is None:
        return f"not tested: Wilcoxon's test takes {FEWEST} tasks that differ, and there are {tasks} in all"
    return f"{'they differ' if chance < LEVEL else 'not told apart'} (Wilcoxon over tasks, p = {chance:.3f})"


def _told_apart(pair: Study, chosen: Sequence[Row]) -> str:
    """Say whether measured times are told apart: where no interval of the one's speed-up meets one of the other's."""
    own, other = ([interval for record in pair.of(row) if (interval := _interval(pair, record))] for row in chosen)
    if not own or not other:
        return "measured"
    (low, high), (other_low, other_high) = ((min(found)[0], max(high for _, high in found)) for found in (own, other))
    return "told apart" if low > other_high or high < other_low else "intervals meet"


def _interval(study: Study, record: Record) -> tuple[float, float] | None:
    cost = study.cost_of(record)
    ratio = summarise(cost, study.is_reference(cost)).pairs if cost and cost["status"] == "ok" else None
    return None if ratio is None or ratio.low is None or ratio.high is None else (ratio.low, ratio.high)


def _explain(chosen: argparse.Namespace, rest: list[str]) -> int:
    nothing_more(chosen, rest)
    show(explained(join(read_all(chosen.records)), chosen.cell), chosen.json)
    return 0


def explained(study: Study, cell: str) -> list[dict[str, Any]]:
    """Return a cell's numbers, and where they come from.

    Raises:
        InputError: there is no such cell.
    """
    known = {Cell(r["task"], r["method"], Variant(r["variant"]), r["seed"]).name: r for r in study.accuracy}
    record = known[pick("cell", cell, known)]
    environment = record["environment"]
    found: dict[str, Any] = {
        "status": record["status"],
        "why not": record["error"],
        f"{record['metric']}, floats (%)": record["float"],
        "in fixed point (%)": record["fixed"],
        f"under MPC, of {record['n_mpc']} examples (%)": record["mpc"],
        "majority class (%)": record["majority"],
        "record": file_name(record),
        "measured": record["started_utc"],
        "commit": environment["commit"],
        "machine": environment["machine"].get("gpu_model") or environment["machine"]["cpu_model"],
        "packages": ", ".join(f"{name} {version}" for name, version in environment["packages"].items() if version),
        "weights": record["weights_hash"],
    }
    cost = study.cost_of(record)
    if cost and cost["status"] == "ok":
        total = summarise(cost, study.is_reference(cost))
        found |= {"cost record": file_name(cost), "MB": total.megabytes, "rounds": total.rounds}
        found |= {f"MB, {group}": size for group, size in group_megabytes(cost).items()}
        found |= {f"seconds, {link}": seconds for link, seconds in total.seconds.items()}
    return [{"what": key, "value": value} for key, value in found.items() if value is not None]
