"""``pibench run``: run the benchmarks in this environment instead of one made by nox."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from pibench import CHECKOUT
from pibench.errors import InputError
from pibench.plugins import own_file, package_file

_BENCHMARKS = CHECKOUT / "benchmarks"
_PLUGINS = ("-p", "benchmark", "-p", "no:cacheprovider", "-p", "no:randomly")
"""pytest-benchmark, also where the environment switches plugins off; and none that remembers or shuffles cells."""
_QUIET = ("-s", "-q", "-W", "default", *_PLUGINS, "--benchmark-quiet")
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
        InputError: pytest is missing, a package hides one of the suite's, or there is no checkout of the suite.
    """
    refuse_missing_pytest()
    refuse_hidden_packages()
    import pytest

    if not _BENCHMARKS.is_dir():
        raise InputError(f"{_BENCHMARKS} is missing: benchmarks run from a checkout of the suite")
    files = [str(_BENCHMARKS / f"test_{name}.py") for name in cells]
    return int(pytest.main([*_QUIET, *files, *options]))


def refuse_missing_pytest() -> None:
    """Raise :class:`InputError` if what runs the benchmarks is not installed."""
    for package in ("pytest", "pytest_benchmark"):
        if find_spec(package) is None:
            raise InputError(f"{package.replace('_', '-')} is not installed: run `pip install 'pibench[bench]'`")


def refuse_hidden_packages() -> None:
    """Raise :class:`InputError` if Python finds another package under the name of one of the suite's."""
    for package in ("ig3d", "baselines"):
        found = package_file(package)
        if found != own_file(package):
            raise InputError(
                f"the package {package!r} is {found or 'missing'}, not the suite's in {CHECKOUT}: rename the other "
                "one, or take its folder off PYTHONPATH"
            )


def nothing_more(chosen: argparse.Namespace, rest: Sequence[str]) -> None:
    """Refuse arguments that a command does not have.

    Raises:
        InputError: there are some.
    """
    if rest:
        raise InputError(f"pibench {chosen.command} does not take {rest[0]}: see pibench {chosen.command} --help")
