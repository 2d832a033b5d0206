"""Run one cell without losing anything: a failure is recorded, and a finished cell is written at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pibench.measure.workbench import Workbench
from pibench.net.processes import PartyFailed, PartyTimeout
from pibench.plugins import located
from pibench.results.records import Record, file_name, read, write

IDENTITY = (
    "suite_version",
    "data_fingerprint",
    "backbone",
    "backbone_fingerprint",
    "method_version",
    "budget",
    "seq_len",
)
"""The fields that must agree, besides the file name, for an earlier record to be reused."""


class CellFailed(Exception):
    """A cell ended as failed or timeout; its record says why."""


def run_cell(
    bench: Workbench,
    blank: Record,
    measure: Callable[[], dict[str, Any]],
    complete: Callable[[Record], bool] = lambda record: True,
) -> Record:
    """Return the cell's record: ``blank`` with what ``measure`` returns, written at once.

    A finished and ``complete`` record of this run, or when resuming of an earlier run, is returned unchanged.

    Raises:
        CellFailed: ``measure`` raised; the record is written all the same.
        InputError: the record cannot be written.
    """
    path = bench.plan.records / file_name(blank)
    reusable = bench.plan.resume or path in bench.written
    done = finished(path, blank) if reusable else None
    if done and complete(done):
        return done
    start = time.perf_counter()
    cause: Exception | None = None
    try:
        record = blank | measure()
    except Exception as error:
        cause = error
        bench.stop_parties()
        status = "timeout" if isinstance(error, PartyTimeout) else "failed"
        record = blank | {"status": status, "error": describe(error)}
        if done:  # what it holds is still valid; only the rest is missing
            write(done | {"last_error": describe(error)}, path)
            raise CellFailed(f"{status}: {describe(error)}") from error
    record["environment"] = bench.environment  # it names the peer once the peer has connected
    record["seconds_total"] = time.perf_counter() - start
    write(record, path)
    bench.written.add(path)
    if record["status"] in ("failed", "timeout"):
        raise CellFailed(f"{record['status']}: {record['error']}") from cause
    return record


def finished(path: Path, blank: Record) -> Record | None:
    """Return the record in ``path`` if it is of the cell that ``blank`` describes and needs no second run."""
    if not path.exists():
        return None
    record = read(path)
    same = all(record.get(key) == blank.get(key) for key in IDENTITY)
    return record if same and record["status"] in ("ok", "skipped") else None


def describe(error: Exception) -> str:
    """Return one line about an error; a party's own report says where it arose, see :func:`located` for others."""
    return " ".join(str(error).split()) if isinstance(error, PartyFailed) else located(error)
