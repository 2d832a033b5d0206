"""Writes each study as one record when it is whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

import pibench
from pibench.engines.security import SECURITY
from pibench.measure.provenance import environment
from pibench.results.records import SCHEMA_VERSION, Record, file_name, write

Save = Callable[..., Record]
"""Writes a study: its name, its rows, and the engine with its security where it is not CrypTen."""


@pytest.fixture
def save(request: pytest.FixtureRequest) -> Save:
    """Return what writes a study from its rows."""
    started, start = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()

    def write_study(
        name: str, rows: list[dict[str, Any]], engine: str = "crypten", security: dict[str, Any] | None = None
    ) -> Record:
        record = {
            "schema_version": SCHEMA_VERSION,
            "suite_version": pibench.__version__,
            "kind": "study",
            "name": name,
            "status": "ok",
            "error": None,
            "engine": engine,
            "security": security or SECURITY[engine],
            "rows": rows,
            "environment": environment(threads=1),
            "started_utc": started,
            "seconds_total": time.perf_counter() - start,
        }
        write(record, request.config.getoption("studies") / file_name(record))
        return record

    return write_study


@pytest.fixture
def log(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return what prints a line of progress."""
    return request.config.pluginmanager.get_plugin("terminalreporter").write_line
