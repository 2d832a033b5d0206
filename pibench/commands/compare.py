"""``pibench compare`` and ``pibench explain``: what records say about two methods, or about one cell."""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import fmean
from typing import Any

from pibench.commands.output import add_json, show
from pibench.commands.run import nothing_more
from pibench.contract import Variant
from pibench.errors import InputError, pick
from pibench.measure.plan import Cell
from pibench.records import RESULTS, Record, file_name, read_all
from pibench.report.cost import group_megabytes, summarise
from pibench.report.join import Row, Study, join
from pibench.stats import LEVEL, ahead


def add(commands: Any) -> None:
    """Add the commands to the parser's."""
    two = commands.add_parser("compare", help="is one method ahead of another? METHOD/VARIANT METHOD/VARIANT")
    two.add_argument("one")
    two.add_argument("other")
    one = commands.add_parser("explain", help="everything about one cell, such as cola-ig3d-within_2.3-s0")
    one.add_argument("cell")
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

    Raises:
        InputError: a row is unknown, or they have no task and seed in common.
    """
    known: dict[str, Row] = {"/".join(row): row for row in study.rows}
    cells = [_cells(study, known[pick("row", name, known)]) for name in (one, other)]
    common = sorted(cells[0].keys() & cells[1].keys())
    if not common:
        raise InputError(f"{one} and {other} have no task and seed in common: measure both on one")
    scores = [[own[key]["float"] for key in common] for own in cells]
    chance = ahead(*scores)
    rows = [
        {"quantity": "accuracy (%), mean", one: fmean(scores[0]), other: fmean(scores[1]), "verdict": _verdict(chance)}
    ]
    costs = [[study.cost_of(own[key]) for key in common] for own in cells]
    if all(cost and cost["status"] == "ok" for own in costs for cost in own):
        told = [[summarise(cost, study.is_reference(cost)) for cost in own if cost] for own in costs]
        for name, take in (("MB", "megabytes"), ("rounds", "rounds")):
            means = [fmean(getattr(cost, take) for cost in own) for own in told]
            rows.append(_ratio(name, one, other, means, "counted"))
        for link in ("loopback", "lan", "wan"):
            means = [fmean(cost.seconds[link] or float("nan") for cost in own) for own in told]
            rows.append(_ratio(f"seconds, {link}", one, other, means, _told_apart(told, link)))
    return [row | {"pairs": len(common)} for row in rows]


def _cells(study: Study, row: Row) -> dict[tuple[str, int], Record]:
    return {(record["task"], record["seed"]): record for record in study.of(row) if record["status"] == "ok"}


def _verdict(chance: float | None) -> str:
    if chance is None:
        return "too few pairs that differ to tell"
    return f"{'they differ' if chance < LEVEL else 'not told apart'} (Wilcoxon p = {chance:.3f})"


def _ratio(name: str, one: str, other: str, means: list[float], how: str) -> dict[str, Any]:
    return {"quantity": name, one: means[0], other: means[1], "verdict": f"{means[1] / means[0]:.2f} times, {how}"}


def _told_apart(told: list[list[Any]], link: str) -> str:
    """Say whether times are told apart: where no interval of the one's speed-up meets one of the other's."""
    own, other = ([cost.pairs for cost in costs if cost.pairs and cost.pairs.low] for costs in told)
    if link != "loopback" or not own or not other:
        return "measured" if link == "loopback" else "modelled"
    apart = min(p.low for p in own) > max(p.high for p in other) or max(p.high for p in own) < min(p.low for p in other)
    return "told apart" if apart else "intervals meet"


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
