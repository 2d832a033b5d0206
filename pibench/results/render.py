"""A table, and its three renderings: names and notes are shown as they are, whatever signs they hold."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
from tabulate import tabulate

Value = float | int | str | None
Format = Literal["md", "tex", "csv"]
MISSING = "–"
_MISSING = {"md": MISSING, "tex": "--"}
_MARKUP = re.compile(r"[|<\\]|&(?=#?\w+;)")
_AS_TEXT = {"|": r"\|", "<": "&lt;", "\\": r"\\", "&": "&amp;"}
"""How Markdown writes bars, tags, backslashes and entities as text."""
_FORMULA = ("=", "+", "-", "@")
"""The first signs that make a spreadsheet take text for a formula (OWASP, CSV Injection)."""


@dataclass(frozen=True)
class Column:
    """A column of a frame as a table shows it.

    ``key`` is its name in the frame and in csv, ``title`` its heading elsewhere; ``decimals`` is None for text. Of a
    column that is ``estimated`` the frame may have intervals too, in KEY_low and KEY_high. An ``optional`` column is
    left out where it holds nothing.
    """

    key: str
    title: str
    decimals: int | None = None
    estimated: bool = False
    optional: bool = False

    def keys(self, frame: pd.DataFrame) -> list[str]:
        """Return the columns of a frame that it shows: its own, and the ends of intervals if there are any."""
        ends = [f"{self.key}_low", f"{self.key}_high"] if self.estimated else []
        return [self.key, *(end for end in ends if end in frame and frame[end].notna().any())]


ROW = [Column("method", "method"), Column("variant", "variant")]
COST_NAMES = [*ROW, Column("tasks", "tasks"), Column("architecture", "architecture"), Column("engine", "engine")]
TOTALS = [Column("megabytes", "MB", 2), Column("rounds", "rounds", 0), Column("reduction", "reduction (%)", 1)]


@dataclass(frozen=True)
class Table:
    """Some columns of a frame, with a title and notes.

    A cell of ``frame`` is a number, a word (such as a status), or None or NaN where there is nothing.
    """

    name: str
    title: str
    frame: pd.DataFrame
    columns: Sequence[Column]
    notes: Sequence[str]

    def __post_init__(self) -> None:
        shown = [one for one in self.columns if not one.optional or self.frame[one.key].notna().any()]
        object.__setattr__(self, "columns", shown)

    @property
    def rows(self) -> list[list[Value]]:
        """The cells that are shown, row by row, without intervals; None where there is nothing."""
        return self._cells([column.key for column in self.columns])

    @property
    def raw(self) -> list[list[Value]]:
        """What csv holds: keys, then the cells row by row, with the ends of intervals in columns of their own."""
        keys = [key for column in self.columns for key in column.keys(self.frame)]
        return [list(keys), *self._cells(keys)]

    @property
    def texts(self) -> list[list[str | None]]:
        """The cells as text, numbers with the decimals of their column and with their interval; None for nothing."""
        columns = [self._cells(column.keys(self.frame)) for column in self.columns]
        return [
            [_text(values[place], column) for values, column in zip(columns, self.columns, strict=True)]
            for place in range(len(self.frame))
        ]

    def _cells(self, keys: Sequence[str]) -> list[list[Value]]:
        shown = self.frame[list(keys)].itertuples(index=False, name=None)
        return [[None if pd.isna(cell) else cell for cell in row] for row in shown]


def render(table: Table, form: Format) -> str:
    """Return ``table`` as GitHub Markdown, as a LaTeX booktabs tabular, or as csv of raw numbers.

    Title and notes go above and below in Markdown, into comments in LaTeX, and are left out of csv. Text stands on one
    line; in csv an apostrophe precedes text that a spreadsheet would compute.
    """
    if form == "csv":
        return _csv(table)
    shown = _markdown if form == "md" else _line  # tabulate itself escapes for LaTeX
    rows = [[_MISSING[form] if text is None else shown(text) for text in row] for row in table.texts]
    body = tabulate(
        rows,
        headers=[shown(column.title) for column in table.columns],
        tablefmt={"md": "github", "tex": "latex_booktabs"}[form],
        colalign=["left" if column.decimals is None else "right" for column in table.columns] if rows else None,
        disable_numparse=True,
    )
    if form == "tex":
        return "\n".join([f"% {_line(table.title)}", body, *(f"% {_line(note)}" for note in table.notes)]) + "\n"
    above, below = f"### {_markdown(table.title)}", [f"- {_markdown(note)}" for note in table.notes]
    return "\n".join([above, "", body, "", *below]) + "\n"


def _text(values: Sequence[Value], column: Column) -> str | None:
    """Return the text of a number, perhaps with the ends of its interval, or of a word."""
    if values[0] is None or isinstance(values[0], str):
        return values[0]
    number, *interval = (format(one, f"z.{column.decimals or 0}f") for one in values if one is not None)
    return f"{number} ({' to '.join(interval)})" if interval else number


def or_status(numbers: pd.DataFrame | pd.Series, status: pd.Series) -> Any:
    """Return ``numbers``, each replaced by its status where that is neither ok nor missing."""
    is_number = status.isin(["ok"]) | status.isna()
    return numbers.astype(object).where(is_number, status.astype(object), axis=0)


def _csv(table: Table) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([[_raw(cell) for cell in row] for row in table.raw])
    return out.getvalue()


def _raw(cell: Value) -> str:
    if cell is None:
        return ""
    if not isinstance(cell, str):
        return format(cell, "z.10g")
    return "'" * cell.lstrip().startswith(_FORMULA) + _line(cell)


def _line(text: str) -> str:
    """Return text on one line."""
    return " ".join(text.split())


def _markdown(text: str) -> str:
    """Return text on one line that GitHub neither cuts at a bar nor reads as HTML."""
    return _MARKUP.sub(lambda sign: _AS_TEXT[sign[0]], _line(text))
