"""Reasons why records must not be cited."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence

from pibench.errors import InputError
from pibench.results.evidence import join
from pibench.results.mixtures import label
from pibench.results.records import Record
from pibench.results.stats import MIN_PAIRS


def refusals(records: Sequence[Record]) -> list[str]:
    """Return one sentence for each reason not to publish tables of ``records``; empty if they are sound."""
    found = []
    try:
        join(records)
    except InputError as error:
        found.append(str(error))
    if dirty := [
        one for one in records if one["environment"]["dirty"] is not False or not one["environment"]["commit"]
    ]:
        found.append(
            f"{len(dirty)} records, first {label(dirty[0])}, come from a tree with uncommitted changes or from no "
            "repository: commit, and measure again"
        )
    scored = [record for record in records if record["kind"] == "accuracy"]
    if strange := [record for record in scored if not record["data_fingerprint"]]:
        found.append(f"{len(strange)} records, first {label(strange[0])}, do not name their data: measure again")
    timed = [record for record in records if record["kind"] == "cost" and record["seconds"]]
    if short := [record for record in timed if len(record["seconds"]) < MIN_PAIRS]:
        found.append(
            f"{len(short)} latencies, first {label(short[0])} with {len(short[0]['seconds'])} pairs, have fewer than "
            f"{MIN_PAIRS} pairs, too few for an interval: measure them with --profile full"
        )
    return found


def refuse(records: Sequence[Record], draft: bool) -> None:
    """Raise :class:`InputError` with the first reason not to publish ``records``, unless a draft is wanted."""
    if not draft and (reasons := refusals(records)):
        raise InputError(f"{reasons[0]}; or give --draft")


def add_draft(parser: ArgumentParser) -> None:
    """Add the option that publishes them anyway."""
    parser.add_argument("--draft", action="store_true", help="also show records that are not fit to be cited")
