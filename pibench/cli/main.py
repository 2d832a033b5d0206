"""The command ``pibench``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise

from pibench import __version__
from pibench.cli import interrupt
from pibench.errors import InputError, one_sentence

MODULES = {
    "run": "run",
    "submit": "submit",
    "list": "listing",
    "task": "task",
    "compare": "compare",
    "explain": "compare",
    "cost": "cost",
    "costs": "costs",
    "compress": "compress",
    "plan": "plan",
    "doctor": "doctor",
    "party": "party",
    "tables": "delegate",
    "figures": "delegate",
    "report": "delegate",
    "claims": "delegate",
    "check-results": "delegate",
    "check-plugin": "delegate",
}
"""The module of each command; only the module of the chosen command is loaded."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, or 1 for failures, 2 for bad input, 130 for Ctrl-C.

    ``pibench run`` ends with pytest's own: 1 for failed cells, 2 where it was stopped, 4 for bad input.
    """
    return one_sentence(_run, "pibench")(sys.argv[1:] if arguments is None else list(arguments))


def _run(given: list[str]) -> int:
    named = [name for name in given[:1] if name in MODULES]
    interrupt.watch("".join(named))
    _refuse_empty(given)
    parser = argparse.ArgumentParser("pibench", description="Benchmarks of private transformer inference.")
    parser.add_argument("--version", action="version", version=f"pibench {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for module in dict.fromkeys(MODULES[name] for name in named or MODULES):
        import_module(f"pibench.cli.{module}").add(commands)
    chosen, rest = parser.parse_known_args(given)
    if chosen.command != "run":
        interrupt.leave()
    try:
        return chosen.run(chosen, rest)
    except KeyboardInterrupt:
        print(f"pibench: {interrupt.sentence(chosen.command)}", file=sys.stderr)
        return interrupt.STATUS


def _refuse_empty(given: list[str]) -> None:
    """Refuse an option whose value is empty, such as that of an unset variable.

    Raises:
        InputError: there is one.
    """
    for before, text in pairwise(["", *given]):
        if text == "" or (text.startswith("--") and text.find("=") == len(text) - 1):
            name = text.rstrip("=") or (before if before.startswith("-") else "an argument")
            raise InputError(f"{name} is empty: give it a value, or leave it out")
