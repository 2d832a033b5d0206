"""``pibench compare`` and ``pibench explain``: what records say about two methods, or about one cell."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import pandas as pd

from pibench.cli.output import add_json, show
from pibench.cli.records import add_records, read_records
from pibench.cli.run import nothing_more
from pibench.errors import InputError, pick
from pibench.results.cost import GROUPS, LINKS
from pibench.results.evidence import Evidence, join
from pibench.results.paired import mean_replicates
from pibench.results.records import file_name
from pibench.results.resampling import LEVEL, p_value
from pibench.results.summary import summary


def add(commands: Any) -> None:
    """Add the commands to the parser's."""
    two = commands.add_parser("compare", help="is one method ahead of another?")
    two.add_argument("one", metavar="METHOD/VARIANT", help="such as ig3d/within_2.3; pibench list names them")
    two.add_argument("other", metavar="METHOD/VARIANT")
    one = commands.add_parser("explain", help="everything about one cell, such as cola-ig3d-within_2.3-s0")
    one.add_argument("cell", help="TASK-METHOD-VARIANT-sSEED")
    for parser, run in ((two, _compare), (one, _explain)):
        add_records(parser)
        add_json(parser)
        parser.set_defaults(run=run)


def _compare(chosen: argparse.Namespace, rest: list[str]) -> int:
    nothing_more(chosen, rest)
    show(compared(join(read_records(chosen)), chosen.one, chosen.other), chosen.json)
    return 0


def compared(evidence: Evidence, one: str, other: str) -> list[dict[str, Any]]:
    """Compare two rows, METHOD/VARIANT, on the tasks and seeds that both were measured on.

    Numbers are means within a task, then over the informative tasks. The two may share more seeds than the tables use,
    which keep to the seeds that all rows have.

    Raises:
        InputError: a row is unknown, or they have no task and seed in common.
    """
    chosen = [pick("row", name, evidence.rows.index) for name in (one, other)]
    pair = _common(evidence, chosen)
    if not pair.tasks:
        raise InputError(f"{one} and {other} have no task and seed in common: measure both on one")
    rows = summary(pair, pair.tasks).loc[chosen]
    verdict = _verdict(mean_replicates(evidence.comparable.outputs, pair.tasks, "float"), rows["average"])
    quantities = {
        "megabytes": ("MB", "counted"),
        "rounds": ("rounds", "counted"),
        "seconds_loopback": ("seconds, loopback", _told_apart(pair.costed, chosen)),
        "seconds_lan": ("seconds, lan", "modelled"),
        "seconds_wan": ("seconds, wan", "modelled"),
    }
    found = [("accuracy (%), mean", rows["average"], verdict)]
    for key, (name, known_by) in quantities.items():
        if rows[key].notna().all():
            found.append((name, rows[key], f"{rows[key].iloc[1] / rows[key].iloc[0]:.2f} times, {known_by}"))
    counted = {"tasks": len(pair.tasks), "pairs": int((pair.accuracy["row"] == one).sum())}
    return [
        {"quantity": name, one: means.iloc[0], other: means.iloc[1], "verdict": verdict} | counted
        for name, means, verdict in found
    ]


def _common(evidence: Evidence, chosen: Sequence[str]) -> Evidence:
    """Return the finished records on the tasks and seeds that the rows share, on informative tasks if there are any."""
    lines = evidence.accuracy
    own = lines[lines["row"].isin(chosen) & (lines["status"] == "ok")]
    rows_of_cell = own.groupby(["task", "seed"], observed=True)["row"].agg(set)
    common = {cell for cell, rows in rows_of_cell.items() if rows == set(chosen)}
    informative = evidence.informative
    told = {(task, seed) for task, seed in common if task in informative} or common
    cells = zip(lines["row"], lines["task"], lines["seed"], strict=True)
    return evidence.only([row in chosen and (task, seed) in told for row, task, seed in cells])


def _verdict(drawn: pd.DataFrame, scores: pd.Series) -> str:
    """Say whether the data tell two mean scores apart, from their bootstrap replicates."""
    one, other = scores.index
    if not {one, other} <= set(drawn):
        return "not tested: records without outputs, or without those of every seed of dense/exact"
    chance = p_value(float(scores[one] - scores[other]), (drawn[one] - drawn[other]).to_numpy())
    shown = "p < 0.001" if chance < 0.001 else f"p = {chance:.3f}"
    return f"{'they differ' if chance < LEVEL else 'not told apart'} (paired bootstrap over examples, {shown})"


def _told_apart(costed: pd.DataFrame, chosen: Sequence[str]) -> str:
    """Say whether measured times differ: they do if no interval of the one's speed-ups overlaps one of the other's."""
    timed = costed.dropna(subset=["speedup_low", "speedup_high"]).groupby("row", observed=True)
    low, high = timed["speedup_low"].min(), timed["speedup_high"].max()
    one, other = chosen
    if not {one, other} <= set(low.index):
        return "measured"
    return "told apart" if low[one] > high[other] or high[one] < low[other] else "intervals meet"


def _explain(chosen: argparse.Namespace, rest: list[str]) -> int:
    nothing_more(chosen, rest)
    show(explained(join(read_records(chosen)), chosen.cell), chosen.json)
    return 0


def explained(evidence: Evidence, cell: str) -> list[dict[str, Any]]:
    """Return a cell's numbers and their provenance.

    Raises:
        InputError: there is no such cell.
    """
    names = [
        f"{line.task}-{line.method}-{line.variant}-s{line.seed}"
        for line in evidence.accuracy[["task", "method", "variant", "seed"]].itertuples(index=False)
    ]
    place = names.index(pick("cell", cell, names))
    record = evidence.accuracy["record"].iloc[place]
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
    costs = evidence.costs
    is_own = (costs["architecture"] == record["architecture"]) & (costs["engine"] == record["engine"])
    for _, cost in costs[is_own & (costs["status"] == "ok")].iterrows():
        found |= {"cost record": file_name(cost["record"]), "MB": cost["megabytes"], "rounds": int(cost["rounds"])}
        found |= {f"MB, {group}": cost[f"megabytes_{group}"] for group in GROUPS}
        found |= {f"seconds, {link}": cost[f"seconds_{link}"] for link in LINKS}
    return [{"what": key, "value": value} for key, value in found.items() if not pd.isna(value)]
