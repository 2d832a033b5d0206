"""Write the tables from the records: ``python -m pibench.tables``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from pibench.errors import InputError
from pibench.records import read_all
from pibench.report.build import accuracy, communication, headline, latency
from pibench.report.render import Column, Format, Table, render

__all__ = [
    "Column",
    "Table",
    "accuracy",
    "communication",
    "headline",
    "latency",
    "main",
    "render",
    "write_tables",
]


def write_tables(records_folder: str | Path, tables_folder: str | Path) -> list[Path]:
    """Write the four tables of the records, each as md, tex and csv, and return their paths.

    Raises :class:`InputError` for records that are unreadable or do not belong together.
    """
    texts = _texts(Path(records_folder), Path(tables_folder))
    try:
        Path(tables_folder).mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(f"cannot write tables to {tables_folder}: {error.strerror}; choose another folder") from error
    return list(texts)


def _texts(records_folder: Path, tables_folder: Path) -> dict[Path, str]:
    records = read_all(records_folder)
    if not records:
        raise InputError(f"there are no records in {records_folder}: measure first or name another folder")
    tables = [build(records) for build in (headline, accuracy, latency, communication)]
    return {
        tables_folder / f"{table.name}.{form}": render(table, form) for table in tables for form in get_args(Format)
    }


def _differing(records_folder: Path, tables_folder: Path) -> list[Path]:
    texts = _texts(records_folder, tables_folder)
    return [
        path
        for path, text in texts.items()
        if not path.is_file() or path.read_text(encoding="utf-8", errors="replace") != text
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, 1 where ``--check`` finds a difference, or 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m pibench.tables",
        description="Build the headline, accuracy, latency and communication tables from records.",
    )
    parser.add_argument("--records", type=Path, default=Path("results/records"), help="folder of records (%(default)s)")
    parser.add_argument("--output", type=Path, default=Path("results/tables"), help="folder of tables (%(default)s)")
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; fail if the tables differ from what the records say",
    )
    arguments = parser.parse_args(argv)
    try:
        if arguments.check:
            differing = _differing(arguments.records, arguments.output)
            if differing:
                names = ", ".join(map(str, differing))
                print(
                    f"These tables differ from the records, so run python -m pibench.tables: {names}",
                    file=sys.stderr,
                )
            return int(bool(differing))
        for path in write_tables(arguments.records, arguments.output):
            print(path)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
