"""Reads bytes and messages of a run from SPU's log, the only place where SPU reports them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SECTION = re.compile(r"\] (?P<level>\w+) profiling: total time")
_COUNTS = r"send bytes (?P<sent>\d+),? recv bytes (?P<received>\d+), send actions (?P<actions>\d+), recv actions \d+"
_OPERATION = re.compile(rf"\] - (?P<name>[\w.]+), executed \d+ times, duration [\d.e+-]+s, {_COUNTS}")
_TOTAL = re.compile(rf"Link details: total {_COUNTS}")


@dataclass(frozen=True)
class Counters:
    """One party's counts of one run; ``operations`` are bytes sent by operation of the compiled program."""

    sent: int
    received: int
    actions: int
    operations: dict[str, int]


def counters(log: str) -> Counters:
    """Return what the lines of one run say.

    Raises:
        ValueError: the lines do not hold exactly one run.
    """
    totals = list(_TOTAL.finditer(log))
    if len(totals) != 1:
        raise ValueError(f"the log holds {len(totals)} runs instead of one; its format may be another version's")
    operations: dict[str, int] = {}
    level = ""
    for line in log.splitlines():
        if section := _SECTION.search(line):
            level = section["level"]
        elif level == "HLO" and (found := _OPERATION.search(line)):
            operations[found["name"]] = operations.get(found["name"], 0) + int(found["sent"])
    (total,) = totals
    return Counters(int(total["sent"]), int(total["received"]), int(total["actions"]), operations)
