"""The records that a command reads: those of a folder, or the committed results."""

from __future__ import annotations

import argparse

from pibench import CHECKOUT
from pibench.arguments import path
from pibench.errors import InputError
from pibench.results.records import RESULTS, Record, read_all

_COMMITTED = RESULTS / "records"


def add_records(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--records`` to a command."""
    parser.add_argument(
        "--records",
        type=path,
        metavar="FOLDER",
        help=f"folder of records (default: {_COMMITTED} here, or else in the checkout that is installed)",
    )


def read_records(chosen: argparse.Namespace) -> list[Record]:
    """Return the records that ``--records`` chooses.

    Raises:
        InputError: there is no such folder, or it holds no records.
    """
    known = [folder for folder in (_COMMITTED, CHECKOUT / _COMMITTED) if folder.is_dir()]
    if chosen.records is None and not known:
        raise InputError(f"there are no committed results here ({_COMMITTED}): name a folder of records with --records")
    folder = chosen.records or known[0]
    if records := read_all(folder):
        return records
    raise InputError(f"{folder} holds no records: name a folder that a run has written with --records")
