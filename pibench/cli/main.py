"""The command ``pibench``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from pibench import __version__
from pibench.cli import interrupt
from pibench.errors import InputError, reader_is_gone

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
    interrupt.watch()
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser("pibench", description="Benchmarks of private transformer inference.")
    parser.add_argument("--version", action="version", version=f"pibench {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    named = [MODULES[name] for name in given[:1] if name in MODULES]
    for module in named or dict.fromkeys(MODULES.values()):
        import_module(f"pibench.cli.{module}").add(commands)
    chosen, rest = parser.parse_known_args(given)
    if chosen.command != "run":
        interrupt.leave()
    try:
        return chosen.run(chosen, rest)
    except InputError as error:
        print(f"pibench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return reader_is_gone()
