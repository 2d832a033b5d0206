"""How commands print: a table for people, JSON for programs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from tabulate import tabulate


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--json`` to a command."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def show(rows: Sequence[dict[str, Any]], as_json: bool) -> None:
    """Print rows that all have the same keys."""
    if as_json:
        print(json.dumps(list(rows), indent=1))
    else:
        print(tabulate(rows, headers="keys", tablefmt="github", missingval="–", floatfmt=".4g"))
