"""A table, and its three renderings."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Literal

from tabulate import tabulate

Cell = float | int | str | None
Format = Literal["md", "tex", "csv"]
_MISSING = {"md": "–", "tex": "--"}


@dataclass(frozen=True)
class Column:
    """``key`` heads the column in csv, ``title`` elsewhere; ``decimals`` is None for a column of text."""

    key: str
    title: str
    decimals: int | None = None


@dataclass(frozen=True)
class Table:
    """Rows of raw cells: a number, a word (such as a status), or None where there is nothing."""

    name: str
    title: str
    columns: list[Column]
    rows: list[list[Cell]]
    notes: list[str]


def render(table: Table, form: Format) -> str:
    """Return ``table`` as GitHub Markdown, as a LaTeX booktabs tabular, or as csv of raw numbers.

    Title and notes go above and below in Markdown, into comments in LaTeX, and are left out of csv.
    """
    if form == "csv":
        return _csv(table)
    rows = [[_text(cell, column, form) for cell, column in zip(row, table.columns, strict=True)] for row in table.rows]
    body = tabulate(
        rows,
        headers=[column.title for column in table.columns],
        tablefmt={"md": "github", "tex": "latex_booktabs"}[form],
        colalign=["left" if column.decimals is None else "right" for column in table.columns] if rows else None,
        disable_numparse=True,
    )
    if form == "tex":
        return "\n".join([f"% {table.title}", body, *(f"% {note}" for note in table.notes)]) + "\n"
    return "\n".join([f"### {table.title}", "", body, "", *(f"- {note}" for note in table.notes)]) + "\n"


def markdown_cell(cell: Cell, column: Column) -> str:
    """Return a cell's text as it stands in Markdown."""
    return _text(cell, column, "md")


def _csv(table: Table) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.key for column in table.columns])
    writer.writerows([[_raw(cell) for cell in row] for row in table.rows])
    return out.getvalue()


def _raw(cell: Cell) -> str:
    if cell is None:
        return ""
    return cell if isinstance(cell, str) else format(cell, "z.10g")


def _text(cell: Cell, column: Column, form: Format) -> str:
    if cell is None:
        return _MISSING[form]
    return cell if isinstance(cell, str) else format(cell, f"z.{column.decimals or 0}f")
