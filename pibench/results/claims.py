"""Judge the claims in ``benchmarks/claims.toml`` by the tables: ``pibench claims``."""

from __future__ import annotations

import argparse
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

import pandas as pd

from pibench.arguments import path
from pibench.errors import InputError, one_sentence, pick
from pibench.results.records import RESULTS, read_all
from pibench.results.refusal import add_draft, refuse
from pibench.results.render import Column, Table, Value, render

CLAIMS = Path("benchmarks/claims.toml")
HOLDS, FAILS, UNTESTABLE, MISSING_VALUE = "holds", "does not hold", "not testable here", "not measured"
UNDECIDED = "not decided: the interval holds both answers"
_RELATIONS = ("at least", "at most", "about")


@dataclass(frozen=True)
class Claim:
    """A claim, and the table cell that decides it, or the reason why no cell here can (``untestable``).

    With ``over`` the value is the cell minus that of another row.
    ``minutes`` and ``gigabytes`` are what ``command`` takes to measure it again.
    """

    id: str
    source: str
    text: str
    untestable: str = ""
    table: str = ""
    row: Mapping[str, Any] = field(default_factory=dict)
    over: Mapping[str, Any] = field(default_factory=dict)
    column: str = ""
    expected: float = 0.0
    relation: str = "about"
    tolerance: float = 0.0
    command: str = ""
    minutes: float = 0.0
    gigabytes: float = 0.0

    def verdict(self, low: float, high: float) -> str:
        """Return what an interval from ``low`` to ``high``, which may be a single value, says about the claim."""
        least = -math.inf if self.relation == "at most" else self.expected - self.tolerance
        most = math.inf if self.relation == "at least" else self.expected + self.tolerance
        if least <= low and high <= most:
            return HOLDS
        return FAILS if high < least or low > most else UNDECIDED


def load(path: Path) -> list[Claim]:
    """Return the claims in a file.

    Raises:
        InputError: the file is unreadable, or a field of a claim is missing, unknown or invalid.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))["claim"]
        return [_claim(path, entry) for entry in found]
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path} is not a list of claims ({' '.join(str(error).split())}): see the comments in {CLAIMS}"
        ) from error


def _claim(path: Path, entry: Mapping[str, Any]) -> Claim:
    kinds = {one.name: one for one in fields(Claim)}
    if strange := sorted(set(entry) - set(kinds)):
        raise InputError(
            f"{path}: claim {entry.get('id')!r} has the unknown field {strange[0]!r}; use one of {[*kinds]}"
        )
    needed = {name for name, one in kinds.items() if one.default is MISSING and one.default_factory is MISSING}
    needed |= set() if entry.get("untestable") else {"table", "row", "column", "command"}
    if lacking := sorted(needed - set(entry)):
        raise InputError(f"{path}: claim {entry.get('id')!r} lacks {', '.join(lacking)}")
    for name, value in entry.items():
        wanted = {"str": (str,), "float": (int, float)}.get(str(kinds[name].type), (dict,))
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise InputError(f"{path}: claim {entry.get('id')!r} has {value!r} for {name}, which is not valid")
    pick("relation", entry.get("relation", "about"), _RELATIONS)
    return Claim(**entry)


def judge(claim: Claim, tables: Mapping[str, Table]) -> tuple[float | None, str]:
    """Return the measured value and the verdict.

    Raises:
        InputError: the claim names a column that its table does not have, or more than one row.
    """
    if claim.untestable:
        return None, UNTESTABLE
    if claim.table not in tables:
        return None, MISSING_VALUE
    table = tables[claim.table]
    other: Value = 0.0
    value = _cell(claim, table, claim.row, claim.column)
    if claim.over:
        other = _cell(claim, table, claim.over, claim.column)
    if not isinstance(value, int | float) or not isinstance(other, int | float):
        return None, MISSING_VALUE
    ends = [] if claim.over else [_cell(claim, table, claim.row, key) for key in _interval(table, claim.column)]
    low, high = [end for end in ends if isinstance(end, int | float)] or [value - other] * 2
    return value - other, claim.verdict(low, high)


def _interval(table: Table, column: str) -> list[str]:
    """Return the names of the columns with the ends of a column's intervals; empty if it has none."""
    return next((one.keys(table.frame)[1:] for one in table.columns if one.key == column), [])


def _cell(claim: Claim, table: Table, wanted: Mapping[str, Any], column: str) -> Value:
    """Return the cell of ``column`` in the one row with the ``wanted`` values; None if that row was not measured."""
    keys = [key for one in table.columns for key in one.keys(table.frame)]
    for key in (column, *wanted):
        if key not in keys:
            raise InputError(f"claim {claim.id!r}: table {table.name} has no column {key!r}, only {', '.join(keys)}")
    found = table.frame
    for key, value in wanted.items():
        found = found[found[key] == value]
    if len(found) > 1:
        raise InputError(f"claim {claim.id!r}: {len(found)} rows of table {table.name} match {dict(wanted)}; name one")
    (value,) = found[column].tolist() or [None]
    return None if pd.isna(value) else value


def claims_table(claims: Iterable[Claim], tables: Iterable[Table]) -> Table:
    """Return one row per claim: what is expected, what was measured, the verdict, and what a new measurement takes."""
    by_name = {table.name: table for table in tables}
    columns = [
        Column("id", "claim"),
        Column("source", "whose"),
        Column("text", "what"),
        Column("expected", "expected"),
        Column("measured", "measured", 2),
        Column("verdict", "verdict"),
        Column("table", "table"),
        Column("command", "measure it anew"),
        Column("minutes", "minutes", 0),
        Column("gigabytes", "disk (GB)", 0),
    ]
    listed = list(claims)
    frame = pd.DataFrame([vars(claim) for claim in listed], columns=[one.name for one in fields(Claim)])
    remeasured = ["table", "command", "minutes", "gigabytes"]
    frame = frame.assign(
        expected=[_expected(claim) for claim in listed],
        **pd.DataFrame([judge(claim, by_name) for claim in listed], columns=["measured", "verdict"]),
        **frame[remeasured].astype(object).where(frame["untestable"] == ""),
    )
    about = [
        "Measured: a cell of the table, or its difference from another row's where the claim compares two. A cell with "
        "an interval is judged by all of it. Minutes and disk: what the command takes on two cores, installation "
        "included.",
    ]
    return Table("claims", "Claims", frame, columns, about)


def _expected(claim: Claim) -> str:
    tolerance = f" (tolerance {claim.tolerance:g})" if claim.tolerance else ""
    return claim.untestable or f"{claim.relation} {claim.expected:g}{tolerance}"


@one_sentence
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, also where a claim does not hold, or 2 for bad input."""
    from pibench.results.tables import all_tables

    parser = argparse.ArgumentParser(prog="pibench claims", description="Judge claims by the tables.")
    parser.add_argument("ids", nargs="*", metavar="CLAIM", help="claims to judge (default: all)")
    parser.add_argument("--claims", type=path, default=CLAIMS, help="the list of claims (%(default)s)")
    parser.add_argument("--records", type=path, default=RESULTS / "records", help="folder of records (%(default)s)")
    add_draft(parser)
    arguments = parser.parse_args(argv)
    claims = {claim.id: claim for claim in load(arguments.claims)}
    chosen = [claims[pick("claim", name, claims)] for name in arguments.ids] or claims.values()
    records = read_all(arguments.records)
    refuse(records, arguments.draft)
    print(render(claims_table(chosen, all_tables(records)), "md"))
    return 0
