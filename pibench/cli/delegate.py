"""Commands that have their own parser: tables, figures, report, claims, check-results and check-plugin."""

from __future__ import annotations

import argparse
from functools import partial
from importlib import import_module
from typing import Any

MAINS = {
    "tables": ("pibench.results.tables", "build all tables from records"),
    "figures": ("pibench.results.figures", "draw the figures from records"),
    "report": ("pibench.results.page", "write the report, one self-contained HTML page"),
    "claims": ("pibench.results.claims", "check each claim of the papers and of the suite against the tables"),
    "check-results": ("pibench.results.signature", "say whether records are fit to be cited; --sign signs them off"),
    "check-plugin": ("pibench.checks.plugin", "check that a method or an engine meets its contract"),
}
"""The module of each command, whose ``main`` reads the rest of the command line, and its help."""


def add(commands: Any) -> None:
    """Add the commands to the parser's."""
    for name, (module, words) in MAINS.items():
        commands.add_parser(name, help=words, add_help=False).set_defaults(run=partial(_run, module))


def _run(module: str, chosen: argparse.Namespace, rest: list[str]) -> int:
    return import_module(module).main(rest)
