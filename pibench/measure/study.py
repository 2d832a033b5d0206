"""A study: raw numbers about one question, written as one record when they are complete."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pibench
from pibench.engines.engine import Session
from pibench.engines.registry import ENGINES, HEADLINE
from pibench.measure.provenance import environment
from pibench.results.records import SCHEMA_VERSION, Record, file_name, write

Save = Callable[..., Record]
"""Writes a study, given its name, its rows, and, unless it ran on the lean engine, the engine and its security."""
Log = Callable[[str], None]


def saver(folder: Path) -> Save:
    """Return a function that writes a study into ``folder``; the study's clock starts now."""
    started, start = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()

    def save(
        name: str, rows: list[dict[str, Any]], engine: str = HEADLINE, security: dict[str, Any] | None = None
    ) -> Record:
        record = {
            "schema_version": SCHEMA_VERSION,
            "suite_version": pibench.__version__,
            "kind": "study",
            "name": name,
            "status": "ok",
            "error": None,
            "engine": engine,
            "security": security or ENGINES[engine].security(Session()),
            "rows": rows,
            "environment": environment(threads=1),
            "started_utc": started,
            "seconds_total": time.perf_counter() - start,
        }
        write(record, folder / file_name(record))
        return record

    return save
