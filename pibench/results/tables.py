"""Write the tables from the records: ``pibench tables``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import get_args

from pibench.arguments import path
from pibench.disk import save_text
from pibench.errors import InputError, one_sentence
from pibench.methods.contract import MethodInfo
from pibench.methods.registry import METHODS
from pibench.results.accuracy import accuracy
from pibench.results.choice import choice
from pibench.results.claims import CLAIMS, claims_table, load
from pibench.results.communication import communication
from pibench.results.evidence import Evidence, join
from pibench.results.field import field, reported
from pibench.results.headline import headline
from pibench.results.latency import latency
from pibench.results.matrix import matrix
from pibench.results.records import RESULTS, Record, read_all
from pibench.results.refusal import add_draft, refuse
from pibench.results.render import Format, Table, render
from pibench.results.studies import study_tables

TABLES = (headline, choice, matrix, accuracy, latency, communication, field)
"""Each makes a table of the evidence."""


def write_tables(records_folder: str | Path, tables_folder: str | Path) -> list[Path]:
    """Write the tables of the records and one for each study, each as md, tex and csv; return their paths.

    Raises :class:`InputError` for records that are unreadable or do not belong together.
    """
    return _write(_texts(_read(Path(records_folder)), Path(tables_folder)))


def _write(texts: dict[Path, str]) -> list[Path]:
    for file, text in texts.items():
        save_text(text, file)
    return list(texts)


def _read(folder: Path) -> list[Record]:
    records = read_all(folder)
    if not records:
        raise InputError(f"there are no records in {folder}: measure first or name another folder")
    return records


def _texts(
    records: list[Record], tables_folder: Path, pages: Sequence[Path] = (), claims: Path | None = None
) -> dict[Path, str]:
    tables = all_tables(records)
    if claims is not None:
        tables = with_claims(tables, claims)
    texts = {
        tables_folder / f"{table.name}.{form}": render(table, form) for table in tables for form in get_args(Format)
    }
    return texts | {page: _embedded(page, tables) for page in pages}


def all_tables(records: list[Record]) -> list[Table]:
    """Return every table of the records: one for each study, and those of the cells.

    Raises :class:`InputError` for records that do not belong together.
    """
    tables, evidence = study_tables(records), join(records)
    if evidence.records:
        tables += [build(evidence) for build in TABLES]
        tables.append(reported(evidence, _infos(evidence)))
    return tables


def with_claims(tables: list[Table], claims: Path = CLAIMS) -> list[Table]:
    """Return the tables, and the table of claims if the file ``claims`` exists."""
    return [*tables, claims_table(load(claims), tables)] if claims.is_file() else tables


def _infos(evidence: Evidence) -> dict[str, MethodInfo]:
    """Return the descriptions of the evidence's methods; those that are not installed or do not load are left out."""
    found = {}
    for name in sorted(set(evidence.accuracy["method"])):
        with suppress(InputError):
            found[name] = METHODS[name].info
    return found


def _embedded(page: Path, tables: list[Table]) -> str:
    """Return the text of ``page`` with each table set between ``<!-- table NAME -->`` and ``<!-- end -->``."""
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read the page {page}: {error.strerror}") from error
    for table in tables:
        before, start, rest = text.partition(f"<!-- table {table.name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        if start and end:
            text = f"{before}{start}{render(table, 'md')}{end}{after}"
    return text


def _differing(texts: dict[Path, str]) -> list[Path]:
    return [
        file
        for file, text in texts.items()
        if not file.is_file() or file.read_text(encoding="utf-8", errors="replace") != text
    ]


@one_sentence
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, 1 where ``--check`` finds a difference, or 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="pibench tables", description="Write all tables of the records, each as Markdown, LaTeX and csv."
    )
    parser.add_argument("--records", type=path, default=RESULTS / "records", help="folder of records (%(default)s)")
    parser.add_argument("--output", type=path, default=RESULTS / "tables", help="folder of tables (%(default)s)")
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; fail if the tables differ from the records",
    )
    parser.add_argument(
        "--page",
        type=path,
        action="append",
        default=[],
        help="a Markdown page whose tables, between table markers, are updated; may be repeated",
    )
    parser.add_argument("--claims", type=path, help=f"judge the claims in this file too, such as {CLAIMS}")
    add_draft(parser)
    arguments = parser.parse_args(argv)
    records = _read(arguments.records)
    refuse(records, arguments.draft)
    texts = _texts(records, arguments.output, arguments.page, arguments.claims)
    if arguments.check:
        differing = _differing(texts)
        if differing:
            names = ", ".join(map(str, differing))
            print(
                f"These tables differ from the records, so run nox -s tables: {names}",
                file=sys.stderr,
            )
        return int(bool(differing))
    for file in _write(texts):
        print(file)
    return 0
