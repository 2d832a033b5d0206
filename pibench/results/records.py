"""Records: one JSON file per measured cell, checked against ``record.schema.json``."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jsonschema import Draft202012Validator

from pibench.disk import save_text
from pibench.errors import InputError

SCHEMA_VERSION = 2
RESULTS = Path("results/v1")
"""The committed results that tables, pages and commands show; v2 supersedes them when it is complete."""
NEXT = Path("results/v2")
"""Where the full profile writes: results of version 2 of the suite, with outputs and counted training."""
Record = dict[str, Any]
_TOLD = 3


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(Path(__file__).with_name("record.schema.json").read_text("utf-8")))


def validate(record: Record) -> list[str]:
    """Return the problems of ``record`` as it would be written, one text per problem; empty if there are none."""
    try:
        written = json.loads(json.dumps(record, allow_nan=False))
    except (TypeError, ValueError) as error:
        return [f"not strict JSON: {error}"]
    problems = [f"{error.json_path}: {error.message}" for error in _validator().iter_errors(written)]
    if not problems and written["kind"] == "cost" and written["status"] == "ok":
        problems = _cost_problems(written)
    return sorted(problems)


def _cost_problems(record: Record) -> list[str]:
    """Return problems that a schema cannot express: bytes that do not add up, times that do not come in pairs."""
    problems = []
    if sum(record["bytes_sent"]) != record["bytes_total"]:
        problems.append("$.bytes_total: is not the sum of bytes_sent")
    runs = [record] if record["baseline"] is None else [record, record["baseline"]]
    lists = [run[key] for run in runs for key in ("seconds", "compute_seconds") if run[key] is not None]
    if len({len(seconds) for seconds in lists}) > 1:
        problems.append("$.seconds: seconds and compute_seconds, also the baseline's, differ in length")
    return problems


def write(record: Record, path: str | Path) -> None:
    """Write ``record`` to ``path`` atomically, making folders as needed.

    Raises ``ValueError`` for an invalid record and :class:`InputError` where nothing can be written.
    """
    path = Path(path)
    problems = validate(record)
    if problems:
        raise ValueError(f"invalid record for {path}: {'; '.join(problems)}")
    text = json.dumps(record, allow_nan=False, sort_keys=True, indent=1) + "\n"
    save_text(text, path)


def read(path: str | Path) -> Record:
    """Return the record in ``path``; raises :class:`InputError` naming the file if it holds no valid one."""
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read the record {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON ({error}): delete it and measure again") from error
    problems = validate(record)
    if problems:
        more = f" and {len(problems) - _TOLD} more problems" if len(problems) > _TOLD else ""
        raise InputError(f"{path} is not a valid record: {'; '.join(problems[:_TOLD])}{more}")
    return record


def read_all(folder: str | Path) -> list[Record]:
    """Return every record under ``folder``, sorted by path; raises :class:`InputError` like :func:`read`."""
    if not Path(folder).is_dir():
        raise InputError(f"there is no records folder {folder}: measure first or name another one")
    return [read(path) for path in sorted(Path(folder).rglob("*.json"))]


def file_name(record: Record) -> str:
    """Return the path of ``record`` inside a records folder; one cell has one name."""
    part = {key: quote(str(value), safe="") for key, value in record.items()}
    if record["kind"] == "accuracy":
        return "accuracy/{data}/{task}--{method}--{variant}--{engine}--s{seed}.json".format_map(part)
    if record["kind"] == "study":
        return "study/{name}.json".format_map(part)
    return "cost/{architecture}--{engine}--len{seq_len}--b{batch}.json".format_map(part)
