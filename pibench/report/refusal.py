"""Why records are not to be cited: what tables for a paper refuse."""

from __future__ import annotations

from collections.abc import Sequence

from pibench.errors import InputError
from pibench.records import Record
from pibench.report.join import join, label
from pibench.stats import MIN_PAIRS


def refusals(records: Sequence[Record]) -> list[str]:
    """Return one sentence for each reason not to publish tables of ``records``; empty if they are sound."""
    found = []
    try:
        join(records)
    except InputError as error:
        found.append(str(error))
    if dirty := [record for record in records if record["environment"]["dirty"] is not False]:
        found.append(
            f"{len(dirty)} records, first {_named(dirty[0])}, come from a tree with uncommitted changes or from no "
            "repository: commit, and measure again"
        )
    timed = [record for record in records if record["kind"] == "cost" and record["seconds"]]
    if short := [record for record in timed if len(record["seconds"]) < MIN_PAIRS]:
        found.append(
            f"{len(short)} latencies, first {_named(short[0])} with {len(short[0]['seconds'])} pairs, have fewer than "
            f"{MIN_PAIRS}, which carry no interval: measure them with --profile full"
        )
    return found


def _named(record: Record) -> str:
    return f"the study {record['name']}" if record["kind"] == "study" else label(record)
