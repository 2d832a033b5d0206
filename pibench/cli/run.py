"""``pibench run``: run the benchmarks in this environment instead of one made by nox."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pibench.errors import InputError

_BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
_QUIET = ("-s", "-q", "-W", "default", "-p", "no:cacheprovider", "--benchmark-quiet")
_CELLS = ("accuracy", "communication", "latency", "reference")


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    run = commands.add_parser(
        "run", help="run the benchmarks; takes all options of `nox -s bench`", add_help=False, allow_abbrev=False
    )
    run.set_defaults(run=lambda chosen, rest: run_benchmarks(_CELLS, rest))


def run_benchmarks(cells: Sequence[str], options: Sequence[str]) -> int:
    """Run benchmarks by name and return pytest's exit status.

    Raises:
        InputError: the package was installed without a checkout of the suite.
    """
    import pytest

    if not _BENCHMARKS.is_dir():
        raise InputError(f"{_BENCHMARKS} is missing: benchmarks run from a checkout of the suite")
    files = [str(_BENCHMARKS / f"test_{name}.py") for name in cells]
    return int(pytest.main([*_QUIET, *files, *options]))


def nothing_more(chosen: argparse.Namespace, rest: Sequence[str]) -> None:
    """Refuse arguments that a command does not have.

    Raises:
        InputError: there are some.
    """
    if rest:
        raise InputError(f"pibench {chosen.command} does not take {rest[0]}: see pibench {chosen.command} --help")
