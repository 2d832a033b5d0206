"""Tables from files: CSV, TSV, JSON lines and parquet, read by Apache Arrow."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pq

from pibench.errors import InputError

_BLOCK = 1 << 26
"""Bytes that are parsed at once, the longest line that can be read."""
_LONGEST_HEADER = 100_000


def read(path: Path) -> pa.Table:
    """Read a file by its suffix. All columns of CSV and TSV files are text.

    The delimiter of a CSV file is found in its first line, which names the columns.

    Raises:
        InputError: the file is missing, empty, damaged, not in UTF-8, or of an unknown type.
    """
    kind = path.suffix.lower()
    if kind not in READERS:
        raise InputError(f"{path} is of an unknown type: use a file that ends in {', '.join(READERS)}")
    if not path.is_file():
        raise InputError(f"{path} is missing: correct its name, or put the file there")
    if not path.stat().st_size:
        raise InputError(f"{path} is empty: use a file with examples")
    try:
        table = READERS[kind](path)
        table.validate(full=True)
        _ = table.column_names  # columns are decoded when they are read
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:120]
        if isinstance(error, UnicodeDecodeError) or "UTF8" in reason:
            raise InputError(f"{path} is not in UTF-8: save it again in that encoding") from error
        raise InputError(f"{path} is not readable as {kind[1:]}: export it again ({reason})") from error
    return table


def _csv(path: Path) -> pa.Table:
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = file.readline(_LONGEST_HEADER)
    if len(header) == _LONGEST_HEADER:
        raise InputError(f"the first line of {path} has {_LONGEST_HEADER} characters or more: name its columns there")
    try:
        delimiter = csv.Sniffer().sniff(header, delimiters=",;\t|").delimiter
    except csv.Error:  # there is one column
        delimiter = ","
    return _delimited(path, header, delimiter)


def _tsv(path: Path) -> pa.Table:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return _delimited(path, file.readline(_LONGEST_HEADER), "\t")


def _delimited(path: Path, header: str, delimiter: str) -> pa.Table:
    names = next(csv.reader([header], delimiter=delimiter), [])
    table = pa_csv.read_csv(
        path,
        read_options=pa_csv.ReadOptions(block_size=_BLOCK),
        parse_options=pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    )
    return table.rename_columns([name.strip() for name in table.column_names])


def _json_lines(path: Path) -> pa.Table:
    return pa_json.read_json(path, read_options=pa_json.ReadOptions(block_size=_BLOCK))


def _parquet(path: Path) -> pa.Table:
    return pq.read_table(path, partitioning=None)


READERS: dict[str, Callable[[Path], pa.Table]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
}
"""How a file is read, by its suffix."""
